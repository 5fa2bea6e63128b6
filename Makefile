# make quickstart   install and run UDA on IMDb, beside its supervised baseline
# make fast         the tests that are not slow, in about a minute: see CONTRIBUTING.md
# make test         the whole test suite
# make lint         ruff and mypy
# make test-oldest  the whole suite on the oldest versions that pyproject allows (torch stays)
# make docs         the documentation as HTML in docs/_build/html; a warning or a broken link fails
# make bench        benchmarks: they print ratios, and are no tests
# make gpu          contract and figures on one CUDA device, in under eight minutes; one line where there is none
# make gpu-wheels   fetch what a bare machine with PyTorch lacks for make gpu, into .wheels

PYTHON ?= python3
VENV ?= .venv
# The release that this project is developed on. Any that pyproject allows works: make TORCH=torch ...
TORCH ?= torch==2.13.0
# Threads of a run on the processor; passive ones do not burn a core that something else wants.
THREADS ?= $(shell nproc 2>/dev/null || echo 2)
BIN := $(VENV)/bin
OFFLINE := HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 TOKENIZERS_PARALLELISM=false
UV := UV_FIND_LINKS="$${UV_FIND_LINKS:-$${PIP_FIND_LINKS:-}}" $(BIN)/uv pip install --python $(BIN)/python

# make gpu takes the Python that is at hand: a machine with a GPU has its own build of torch.
GPU_PYTHON ?= $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON))
GPU_OUT ?= outputs/gpu
# The Python of the machine that the wheels are for.
GPU_PYTHON_VERSION ?= 3.12

.PHONY: quickstart fast test test-oldest lint docs bench gpu gpu-wheels clean

quickstart: $(VENV)/.quickstart
	OMP_WAIT_POLICY=PASSIVE $(BIN)/accelerate launch --num_cpu_threads_per_process $(THREADS) \
		recipes/uda_imdb.py $(ARGS)

# Marked slow is what trains many methods or many steps, reads whole data sets, runs recipes or starts processes.
fast: $(VENV)/.test
	OMP_NUM_THREADS=1 $(OFFLINE) $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and not ddp" $(ARGS)

test: $(VENV)/.test
	OMP_NUM_THREADS=1 $(OFFLINE) $(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Nothing is fetched. The suite runs this line too.
docs: $(VENV)/.test
	$(OFFLINE) $(BIN)/python -m sphinx -b html -q -W --keep-going -n docs docs/_build/html

bench: $(VENV)/.test
	for script in tests/benchmarks/bench_*.py; do OMP_NUM_THREADS=1 $(OFFLINE) $(BIN)/python $$script || exit 1; done

gpu:
	$(GPU_PYTHON) tests/gpu/run.py --output $(GPU_OUT)

gpu-wheels:
	$(PYTHON) -m pip download --quiet --no-deps --only-binary=:all: --python-version $(GPU_PYTHON_VERSION) --dest .wheels \
		"transformers>=5.19,<6" "datasets>=4.7" evaluate "dill<0.4.2" "multiprocess<0.70.20"

test-oldest:
	$(MAKE) test VENV=.venv-oldest RESOLUTION="--resolution lowest-direct"

clean:
	rm -rf .venv .venv-oldest

$(VENV)/bin/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv

# On a machine without an NVIDIA GPU the CPU build of torch is a tenth of the size: found among the local wheels
# where there are any, else by uv's own knowledge of torch's builds, else whatever the package index has.
$(VENV)/.torch: $(VENV)/bin/uv
	if [ -n "$${UV_FIND_LINKS:-$${PIP_FIND_LINKS:-}}" ]; then $(UV) "$(TORCH)"; \
	else $(UV) --torch-backend=auto "$(TORCH)" || $(UV) "$(TORCH)"; fi
	touch $@

$(VENV)/.quickstart: $(VENV)/.torch pyproject.toml
	$(UV) -e ".[embedded]" "$(TORCH)"
	touch $@

$(VENV)/.test: $(VENV)/.torch pyproject.toml
	$(UV) $(RESOLUTION) -e ".[test]" "$(TORCH)"
	touch $@
