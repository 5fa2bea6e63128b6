"""Figures of one device: step time and memory against a bare loop, host syncs, torch.compile, image operations.

    python -m tests.gpu.figures --output FOLDER [--seconds 200] [--device cuda] [--size base]

``make gpu`` runs it. Each figure is written as soon as it is measured, so that a run that is cut keeps the others.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
import transformers
from PIL import Image
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainerCallback

from tests.benchmarks.bare_steps import BARE_STEPS, Batch, Loop, view
from tests.gpu.workload import SIZES, Size, network, trainer_of
from textssl.augment.image import DeviceRandAugment, strong_view
from textssl.augment.plans import PLAN
from textssl.data.sampler import Key
from textssl.data.views import view_rng


METHODS = ("uda", "fixmatch", "mixtext", "mean_teacher")
STOCK = "transformers.Trainer"
# Steps before the clock starts: allocation, autotuning.
WARM_UP = 5
Figures = dict[str, dict[str, Any]]


class Clock(TrainerCallback):
    """Seconds a step of all steps after the warm-up, measured between two synchronisations."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.begin = 0.0
        self.seconds = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == WARM_UP:
            _wait(self.device)
            self.begin = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == state.max_steps:
            _wait(self.device)
            self.seconds = (time.perf_counter() - self.begin) / (state.max_steps - WARM_UP)


class SyncCounter(TrainerCallback):
    """Has PyTorch warn of each wait for the device, after the warm-up."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == WARM_UP and torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode("warn")

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == state.max_steps - 1 and torch.cuda.is_available():
            torch.cuda.set_sync_debug_mode("default")


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _peak(device: str) -> float:
    """MiB allocated at most since the last call."""
    if device != "cuda":
        return 0.0
    peak = torch.cuda.max_memory_allocated() / 2**20
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return peak


def _load(trainer: Any, count: int) -> list[Batch]:
    batches: list[Batch] = []
    loader = trainer.get_train_dataloader()
    while len(batches) < count:
        batches += list(loader)
    return batches[:count]


def _prepared(method: str, size: Size, folder: Path, steps: int, **settings: Any) -> tuple[Trainer, list[Batch]]:
    """A trainer that trains on batches made beforehand, and these."""
    own = trainer_of("supervised" if method == STOCK else method, size, folder, steps, **settings)
    batches = _load(own, steps)
    trainer: Trainer = own
    shown: list[Any] = batches
    if method == STOCK:
        trainer = Trainer(network(size), own.args, train_dataset=own.train_dataset)
        shown = [view(batch, "labeled") | {"labels": batch["labeled"]["labels"]} for batch in batches]
    ready = DataLoader(shown, batch_size=1, collate_fn=lambda batch: batch[0])  # type: ignore[arg-type]
    trainer.get_train_dataloader = lambda: trainer.accelerator.prepare(ready)  # type: ignore[method-assign]
    trainer.remove_callback(PrinterCallback)
    return trainer, batches


def _timed(trainer: Trainer, device: str) -> float:
    clock = Clock(device)
    trainer.add_callback(clock)
    trainer.train()
    return clock.seconds


def _bare(method: str, size: Size, batches: list[Batch], device: str) -> float:
    loss, decay = BARE_STEPS["supervised" if method == STOCK else method]
    loop = Loop(network(size), decay, True, (4 * size.labeled, 8 * size.mu * size.labeled), device)
    begin = 0.0
    for number, batch in enumerate(batches):
        if number == WARM_UP:
            _wait(device)
            begin = time.perf_counter()
        loop.step(loss, batch)
    _wait(device)
    return (time.perf_counter() - begin) / (len(batches) - WARM_UP)


def step_figures(method: str, size: Size, device: str, steps: int, rounds: int) -> dict[str, Any]:
    """Step time and peak memory of the trainer and of a bare loop, in turn, on the same batches of the device."""
    own, bare, memory = [], [], {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            _peak(device)
            trainer, batches = _prepared(method, size, Path(folder), steps, use_cpu=device == "cpu")
            own.append(_timed(trainer, device))
            del trainer
            memory["trainer_mib"] = _peak(device)
            bare.append(_bare(method, size, batches, device))
            memory["bare_mib"] = _peak(device)
    ratio = statistics.median(a / b for a, b in zip(own, bare, strict=True))
    times = {"trainer_ms": 1e3 * statistics.median(own), "bare_ms": 1e3 * statistics.median(bare)}
    return {**times, "ratio": ratio, **memory, "memory_ratio": memory["trainer_mib"] / max(memory["bare_mib"], 1e-9)}


def loading_figures(method: str, size: Size, device: str, steps: int) -> dict[str, Any]:
    """Step time with the trainer's own loader, in the main process and in four workers."""
    found = {}
    for workers in (0, 4) if device == "cuda" else (0,):
        with tempfile.TemporaryDirectory() as folder:
            settings = {"dataloader_num_workers": workers, "use_cpu": device == "cpu"}
            trainer = trainer_of(method, size, Path(folder), steps, **settings)
            trainer.remove_callback(PrinterCallback)
            found[f"workers_{workers}_ms"] = 1e3 * _timed(trainer, device)
    return found


def sync_figures(method: str, size: Size, device: str, steps: int = WARM_UP + 11) -> dict[str, Any]:
    """Waits of the host for the device in a step, and the lines that they come from."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer, _ = _prepared(method, size, Path(folder), steps, use_cpu=device == "cpu")
        trainer.add_callback(SyncCounter())
        trainer.train()
    found = [f"{Path(w.filename).name}:{w.lineno}" for w in caught if "synchronizing" in str(w.message)]
    counted = steps - 1 - WARM_UP
    return {"syncs_per_step": len(found) / counted, "lines": dict(Counter(found).most_common(8))}


def compile_figures(method: str, size: Size, device: str, steps: int) -> dict[str, Any]:
    """Step time with ``torch_compile``, and what the first steps cost."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        settings = {"torch_compile": True, "use_cpu": device == "cpu"}
        trainer, _ = _prepared(method, size, Path(folder), steps, **settings)
        seconds = _timed(trainer, device)
        return {"compiled_ms": 1e3 * seconds, "first_steps_s": time.perf_counter() - begin - seconds * steps}


def image_figures(side: int, count: int, device: str, rounds: int = 7) -> dict[str, Any]:
    """Images a second of the device's RandAugment and Cutout, and of one core's."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    images = [Image.fromarray(image) for image in pixels]
    augment, reference = DeviceRandAugment(p=1.0), strong_view()
    plans = [augment({"image": im}, view_rng(0, Key(1, i, 0), "strong"))[PLAN] for i, im in enumerate(images)]
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div(255).to(device)
    augment.apply(x, plans)
    times = []
    for _ in range(rounds):
        _wait(device)
        begin = time.perf_counter()
        augment.apply(x, plans)
        _wait(device)
        times.append(time.perf_counter() - begin)
    begin = time.perf_counter()
    for i, image in enumerate(images[: min(count, 64)]):
        reference({"image": image}, view_rng(0, Key(1, i, 0), "strong"))
    core = min(count, 64) / (time.perf_counter() - begin)
    return {"device_per_s": count / statistics.median(times), "core_per_s": core}


def jobs(size: Size, device: str) -> Iterator[tuple[str, str, Callable[[], dict[str, Any]]]]:
    """What is measured: table, row, and how; the most wanted first."""
    quick = device == "cpu"
    steps, rounds = (WARM_UP + 3, 1) if quick else (WARM_UP + 30, 3)
    for method in METHODS:
        yield "step", method, lambda m=method: step_figures(m, size, device, steps, rounds)
    for method in (STOCK, *METHODS):
        yield "syncs", method, lambda m=method: sync_figures(m, size, device)
    for side, count in ((32, 64), (64, 16)) if quick else ((32, 1024), (224, 256)):
        yield "images", f"{side} x {side}", lambda s=side, c=count: image_figures(s, c, device)
    yield "step", STOCK, lambda: step_figures(STOCK, size, device, steps, rounds)
    for method in METHODS[:2]:
        yield "loading", method, lambda m=method: loading_figures(m, size, device, steps)
    if not quick:
        yield "compile", "uda", lambda: compile_figures("uda", size, device, steps)


def measure(size: Size, device: str, seconds: float, path: Path) -> Figures:
    """All figures that ``seconds`` allow, written to ``path`` one by one."""
    end = time.monotonic() + seconds
    figures: Figures = {"machine": {"": machine(device)}}
    for table, row, work in jobs(size, device):
        if time.monotonic() > end:
            result: dict[str, Any] = {"not_measured": "no time left"}
        else:
            try:
                result = work()
            except Exception as error:
                result = {"error": f"{type(error).__name__}: {error}"[:500]}
        figures.setdefault(table, {})[row] = result
        path.write_text(json.dumps(figures, indent=1))
        print(table, row, result, file=sys.stderr, flush=True)
    return figures


def machine(device: str) -> dict[str, Any]:
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    return {"device": name, "cuda": torch.version.cuda, **versions}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=200.0)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--size", choices=sorted(SIZES), default="base")
    arguments = parser.parse_args()
    datasets.disable_progress_bars()
    arguments.output.mkdir(parents=True, exist_ok=True)
    measure(SIZES[arguments.size], arguments.device, arguments.seconds, arguments.output / "figures.json")


if __name__ == "__main__":
    main()
