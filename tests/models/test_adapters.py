"""Students with adapters of peft: every method, and what lies around it."""

from __future__ import annotations

import copy
import importlib
import logging
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers.utils.hub as transformers_hub
from huggingface_hub import constants
from peft import AutoPeftModelForSequenceClassification, IA3Config, LoraConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertForSequenceClassification,
    ResNetConfig,
    ResNetForImageClassification,
    TrainerCallback,
    pipeline,
)

from tests.contract import cases, tiny_images
from tests.contract.cases import build, first_batch, state_of
from tests.contract.tiny_texts import CLASSES, labeled, model, swap_words, tokenizer, unlabeled
from tests.hub_server import LocalHub, local_hub  # noqa: F401, the fixture hub
from textssl.errors import UserError
from textssl.families.second_network import make_second_network
from textssl.forward.inside import last_linear
from textssl.forward.mix import Mix
from textssl.methods import METHODS
from textssl.models.adapters import load_adapters
from textssl.self_training.teachers import check_same_labels, load_teacher


NAMES = {0: "a", 1: "b", 2: "c"}
# Why a method cannot have a student with adapters.
REFUSED = {
    "co_training": "holds no adapters; allowed: ensemble=False",
    "dividemix": "holds no adapters; allowed: ensemble=False",
    "in_domain_pretraining": "trains the whole encoder",
}
PEERS = ("co_training", "dividemix")
LORA = LoraConfig(task_type="SEQ_CLS", r=4, lora_alpha=8, target_modules=["query", "value"])


def wrapped(network: Any, config: Any = LORA, **kwargs: Any) -> Any:
    return get_peft_model(network, copy.deepcopy(config), **kwargs)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A base on the disk, with names of its classes."""
    network = model()
    network.config.id2label, network.config.label2id = NAMES, {name: i for i, name in NAMES.items()}
    network.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def loaded(base: Path, config: Any = LORA) -> Any:
    return wrapped(BertForSequenceClassification.from_pretrained(base), config)


@pytest.fixture
def adapted(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What gives the trainers of ``build`` another student."""
    return lambda make: monkeypatch.setattr(cases, "model", lambda **_: make())


@pytest.fixture(autouse=True)
def _adapted_by_default(adapted: Any) -> None:
    adapted(lambda: wrapped(model()))


def trainer(method: str, network: Any, out: Path, /, **settings: Any) -> Any:
    """As ``build``, on a student of its own and with a held-out set of named classes."""
    config = METHODS[method].config_class(
        output_dir=str(out), max_steps=4, per_device_train_batch_size=4, mu=2, learning_rate=0.05, save_steps=2,
        logging_steps=2, report_to=[], disable_tqdm=True, use_cpu=True, max_length=16, **settings,
    )  # fmt: skip
    return METHODS[method](
        network, config, labeled(), unlabeled(), eval_dataset=labeled(12, seed=3), processing_class=tokenizer(),
        augmentations={"strong": swap_words, "weak_2": swap_words},
    )  # fmt: skip


def logits_of(network: nn.Module) -> Tensor:
    inputs = tokenizer()(list(labeled(12, seed=3)["text"]), padding=True, truncation=True, max_length=16)
    with torch.no_grad():
        return network.eval()(
            input_ids=torch.tensor(inputs["input_ids"]), attention_mask=torch.tensor(inputs["attention_mask"])
        ).logits


def assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted(METHODS.keys() - {"in_domain_pretraining"}))
def test_every_method_trains_saves_and_resumes_adapters(method: str, tmp_path: Path) -> None:
    own = importlib.import_module(f"tests.methods.test_{method}")
    settings = getattr(own, "CONTRACT_DEFAULT", {}) | ({"ensemble": False} if method in PEERS else {})
    whole = build(method, tmp_path / "run", **settings)
    before = {name: p.clone() for name, p in whole.model.named_parameters()}
    whole.train()
    after = dict(whole.model.named_parameters())
    for name, value in before.items():
        assert torch.equal(value, after[name]) != after[name].requires_grad, name
    assert 0 <= whole.evaluate()["eval_accuracy"] <= 1
    resumed = build(method, tmp_path / "run", **settings)
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    assert_same(state_of(resumed), state_of(whole))
    # What is remembered beside the student is not its base.
    remembered = load_file(tmp_path / "run" / "checkpoint-4" / "objective.safetensors")
    kept = {name for name in remembered if ".bert." in name or ".classifier." in name}
    assert all("lora_" in name or "modules_to_save" in name for name in kept)
    # The saved model is the evaluated one.
    whole.save_model(str(tmp_path / "saved"))
    assert not list((tmp_path / "saved").glob("model*.safetensors"))
    fresh = wrapped(model())
    load_adapters(fresh, tmp_path / "saved")
    assert torch.equal(logits_of(fresh), logits_of(whole.evaluated_model))


@pytest.mark.parametrize("method", sorted(REFUSED))
def test_a_method_that_cannot_have_adapters_says_why(method: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=REFUSED[method]) as caught:
        build(method, tmp_path)
    assert str(caught.value).startswith("model: got PeftModelForSequenceClassification; ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", ["meta_pseudo_labels", "dividemix"])
def test_nor_is_a_second_network_one_with_adapters(method: str, tmp_path: Path) -> None:
    role = METHODS[method].second_network_argument
    config = METHODS[method].config_class(output_dir=str(tmp_path), max_steps=2, max_length=16)
    networks = {"model": model(), role: wrapped(model(1))}
    with pytest.raises(UserError, match=f"^{role}: got PeftModel"):
        METHODS[method](
            args=config,
            train_dataset=labeled(),
            unlabeled_dataset=unlabeled(),
            processing_class=tokenizer(),
            **networks,
        )


def test_a_second_network_has_adapters_of_its_own_on_the_same_base() -> None:
    student = wrapped(model())
    with torch.no_grad():
        for parameter in student.parameters():
            if parameter.requires_grad:
                parameter += 0.1
    before = {name: value.clone() for name, value in student.state_dict().items()}
    second, again, other = (make_second_network(student, seed) for seed in (1, 1, 2))
    assert_same(before, student.state_dict())
    assert_same(second.state_dict(), again.state_dict())
    for name, parameter in student.named_parameters():
        mine = second.get_parameter(name)
        assert mine.requires_grad == parameter.requires_grad
        assert (mine is parameter) != parameter.requires_grad
        head = "classifier.modules_to_save" in name
        assert torch.equal(mine, parameter) != head, name
        # A bias begins at zero, whatever the seed.
        assert torch.equal(mine, other.get_parameter(name)) != (head and name.endswith("weight")), name


# --- the folder that is saved


def test_a_saved_student_loads_by_pefts_own_ways_and_merges_to_a_plain_model(base: Path, tmp_path: Path) -> None:
    run = trainer("fixmatch", loaded(base), tmp_path / "run", threshold=0.4, ema_decay=0.5)
    run.train()
    run.save_model(str(tmp_path / "saved"))
    expected = torch.tensor(run.predict(labeled(12, seed=3)).predictions)
    config = AutoConfig.from_pretrained(tmp_path / "saved")
    assert config.id2label == NAMES
    again = AutoPeftModelForSequenceClassification.from_pretrained(tmp_path / "saved", id2label=config.id2label)
    torch.testing.assert_close(logits_of(again), expected, atol=1e-6, rtol=1e-5)
    again.merge_and_unload().save_pretrained(tmp_path / "merged")
    tokenizer().save_pretrained(tmp_path / "merged")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged")
    torch.testing.assert_close(logits_of(plain), expected, atol=1e-5, rtol=1e-4)
    texts = list(labeled(12, seed=3)["text"])
    answers = pipeline("text-classification", model=str(tmp_path / "merged"))(texts, truncation=True, max_length=16)
    assert [answer["label"] for answer in answers] == [NAMES[int(i)] for i in expected.argmax(-1)]


def test_the_best_adapters_come_back(base: Path, tmp_path: Path) -> None:
    """The best of a run whose learning rate spoils what it learned."""
    seen: dict[str, Tensor] = {}

    class Note(TrainerCallback):
        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            seen[f"checkpoint-{state.global_step}"] = logits_of(run.evaluated_model)

    run = trainer(
        "mean_teacher", loaded(base), tmp_path / "run", teacher_decay=0.5, load_best_model_at_end=True,
        eval_strategy="steps", eval_steps=2, metric_for_best_model="eval_loss", greater_is_better=True,
    )  # fmt: skip
    run.add_callback(Note())
    run.train()
    best = Path(str(run.state.best_model_checkpoint)).name
    assert len(seen) == 2
    assert torch.equal(logits_of(run.evaluated_model), seen[best])
    assert run.evaluate()["eval_loss"] == pytest.approx(run.state.best_metric)


CONFIGS = {
    "dora": LoraConfig(task_type="SEQ_CLS", r=2, use_dora=True, target_modules=["query"]),
    "every_linear_layer": LoraConfig(task_type="SEQ_CLS", r=2, target_modules="all-linear", use_rslora=True),
    "no_task": LoraConfig(r=2, target_modules=["query"], modules_to_save=["classifier", "pooler"]),
    "biases": LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["query"], bias="lora_only"),
    "head_by_lora": LoraConfig(r=2, target_modules=["query", "classifier"]),
    "ia3": IA3Config(task_type="SEQ_CLS", target_modules=["key", "value"], feedforward_modules=[]),
}


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_other_adapters_and_parts_trained_whole(config: Any, adapted: Any, tmp_path: Path) -> None:
    adapted(lambda: wrapped(model(), config))
    whole, resumed = (build("remixmatch", tmp_path / "run") for _ in range(2))
    whole.train()
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    assert_same(state_of(resumed), state_of(whole))
    whole.save_model(str(tmp_path / "saved"))
    fresh = wrapped(model(), config)
    load_adapters(fresh, tmp_path / "saved")
    assert torch.equal(logits_of(fresh), logits_of(whole.evaluated_model))


@pytest.mark.slow
def test_adapters_of_other_names_are_saved_and_resumed(adapted: Any, tmp_path: Path) -> None:
    def make() -> Any:
        network = wrapped(model(), adapter_name="first")
        network.add_adapter("second", copy.deepcopy(LORA))
        network.set_adapter("second")
        return network

    adapted(make)
    whole, resumed = (build("label_propagation", tmp_path / "run") for _ in range(2))
    whole.train()
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    assert_same(state_of(resumed), state_of(whole))
    assert {p.parent.name for p in (tmp_path / "run" / "checkpoint-4").glob("*/adapter_model.safetensors")} == {
        "first",
        "second",
    }


@pytest.mark.parametrize("harm", ["missing", "truncated", "other"])
def test_a_folder_that_does_not_hold_the_adapters_is_told(harm: str, tmp_path: Path) -> None:
    student = wrapped(model())
    other = wrapped(model(), LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["query", "value"]))
    (other if harm == "other" else student).save_pretrained(tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    if harm == "missing":
        path.unlink()
    if harm == "truncated":
        path.write_bytes(path.read_bytes()[:-8])
    before = {name: value.clone() for name, value in student.state_dict().items()}
    with pytest.raises(UserError, match=r"adapter_model\.safetensors does not hold adapter 'default' of this model"):
        load_adapters(student, tmp_path)
    assert_same(before, student.state_dict())


# --- teachers


def test_the_average_is_that_of_a_whole_copy_and_costs_the_adapters(base: Path, tmp_path: Path) -> None:
    run = trainer("mean_teacher", loaded(base), tmp_path / "run", teacher_decay=0.9, optim="sgd")
    whole = copy.deepcopy(run.model)
    expected = {name: value.clone() for name, value in whole.state_dict().items()}

    class Average(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            alpha = min(1 - 1 / (state.global_step + 1), 0.9)
            for name, value in run.model.state_dict().items():
                expected[name] = alpha * expected[name] + (1 - alpha) * value if value.is_floating_point() else value

    run.add_callback(Average())
    run.train()
    whole.load_state_dict(expected)
    torch.testing.assert_close(logits_of(run.evaluated_model), logits_of(whole), atol=1e-5, rtol=1e-4)
    own = {p.data_ptr() for p in run.evaluated_model.parameters()} - {p.data_ptr() for p in run.model.parameters()}
    assert len(own) == sum(p.requires_grad for p in run.model.parameters())
    size = (tmp_path / "run" / "checkpoint-4" / "objective.safetensors").stat().st_size
    assert size < 1.5 * (tmp_path / "run" / "checkpoint-4" / "adapter_model.safetensors").stat().st_size
    assert size < (base / "model.safetensors").stat().st_size / 10


@pytest.mark.slow
def test_a_plain_student_with_frozen_layers_shares_them_until_they_are_trained(tmp_path: Path) -> None:
    """Frozen when the trainer is made, and unfrozen before it trains."""

    def make(frozen: bool) -> Any:
        student = model()
        student.bert.embeddings.requires_grad_(not frozen)
        return trainer("mean_teacher", student, tmp_path / str(frozen), teacher_decay=0.9, optim="sgd")

    late, plain = make(True), make(False)
    assert late.evaluated_model.bert.embeddings.word_embeddings.weight is (
        late.model.bert.embeddings.word_embeddings.weight
    )
    late.model.bert.embeddings.requires_grad_(True)
    late.train()
    plain.train()
    assert_same(state_of(late), state_of(plain))
    still = make(True)
    still.train(resume_from_checkpoint=None)
    names = load_file(tmp_path / "True" / "checkpoint-4" / "objective.safetensors")
    assert not [name for name in names if "embeddings" in name]


@pytest.mark.slow
def test_a_base_in_bfloat16_with_adapters_in_float32(adapted: Any, tmp_path: Path) -> None:
    adapted(lambda: wrapped(model().bfloat16()))
    whole, resumed = (build("mean_teacher", tmp_path / "run", learning_rate=0.5) for _ in range(2))
    whole.train()
    assert whole.evaluate()["eval_loss"] > 0
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    assert_same(state_of(resumed), state_of(whole))
    held = whole.objective.teacher.state_dict()
    assert {value.dtype for name, value in held.items() if name != "updates"} == {torch.float32}
    assert whole.evaluated_model.base_model.model.bert.embeddings.word_embeddings.weight.dtype == torch.bfloat16


@pytest.mark.slow
def test_averages_of_a_student_in_bfloat16_with_frozen_layers_resume_in_float32(tmp_path: Path) -> None:
    def make() -> Any:
        student = model().bfloat16()
        student.bert.embeddings.requires_grad_(False)
        return build("mean_teacher", tmp_path / "run", given={"model": student}, teacher_decay=0.9, learning_rate=0.5)

    whole, resumed = make(), make()
    whole.train()
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    held = whole.objective.teacher.state_dict()
    assert {value.dtype for name, value in held.items() if name != "updates"} == {torch.float32}
    # Else the test would see nothing.
    assert any(not torch.equal(value, value.bfloat16()) for value in held.values())
    assert_same(state_of(resumed), state_of(whole))
    assert_same(resumed.evaluated_model.state_dict(), whole.evaluated_model.state_dict())


@pytest.mark.slow
def test_layers_that_are_unfrozen_on_the_way_resume_in_the_student_and_its_teacher(tmp_path: Path) -> None:
    class Unfreeze(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            kwargs["model"].bert.embeddings.requires_grad_(state.global_step >= 1)

    def make(out: str, frozen: bool = True) -> Any:
        student = model()
        optimizers = (torch.optim.SGD(student.parameters(), lr=0.05), None)
        student.bert.embeddings.requires_grad_(not frozen)
        run = build(
            "mean_teacher", tmp_path / out, given={"model": student, "optimizers": optimizers}, teacher_decay=0.9
        )
        run.add_callback(Unfreeze())
        return run

    whole, resumed, copied = make("run"), make("run"), make("copied", frozen=False)
    whole.train()
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    assert_same(state_of(resumed), state_of(whole))
    word = "bert.embeddings.word_embeddings.weight"
    assert not torch.equal(whole.evaluated_model.get_parameter(word), whole.model.get_parameter(word))
    copied.train()
    assert_same(state_of(copied), state_of(whole))


# --- rounds


@pytest.mark.slow
def test_rounds_of_self_training_hand_adapters_on(base: Path, tmp_path: Path) -> None:
    def make(out: str, start: str = "fresh") -> Any:
        settings = {"rounds": 2, "teacher_steps": 4, "student_init": start, "balance": "none"}
        return trainer("self_training", loaded(base), tmp_path / out, **settings)

    run = make("run")
    before = {name: p.clone() for name, p in run.model.named_parameters() if not p.requires_grad}
    run.train()
    for name, value in before.items():
        assert torch.equal(value, run.model.get_parameter(name)), name
    home = tmp_path / "run"
    assert (home / "teacher" / "adapter_model.safetensors").is_file()
    assert (home / "round-1" / "student" / "adapter_model.safetensors").is_file()
    assert not list(home.rglob("model.safetensors"))
    again = make("run")
    again.train(resume_from_checkpoint=str(home / "checkpoint-2"))
    assert_same(state_of(again), state_of(run))
    continued = make("other", start="continued")
    continued.train()
    assert_same(
        {name: p for name, p in continued.model.named_parameters() if not p.requires_grad}, dict(before.items())
    )


def test_a_folder_of_adapters_is_a_teacher(base: Path, tmp_path: Path) -> None:
    student = loaded(base)
    with torch.no_grad():
        for parameter in student.parameters():
            if parameter.requires_grad:
                parameter += 0.3
    run = trainer("supervised", student, tmp_path / "run")
    run.save_model(str(tmp_path / "saved"))
    teacher, processor = load_teacher(str(tmp_path / "saved"), "text")
    assert torch.equal(logits_of(teacher), logits_of(student))
    assert len(processor) == len(tokenizer())
    assert check_same_labels(teacher.config, student.config) == [0, 1, 2]
    assert not any(p.requires_grad for p in teacher.parameters())
    learned = trainer("distillation", model(1), tmp_path / "distilled", teacher=str(tmp_path / "saved"))
    learned.train()
    (tmp_path / "saved" / "adapter_model.safetensors").rename(tmp_path / "saved" / "adapter_model.bin")
    with pytest.raises(UserError, match=r"^teacher: .* has no adapter_model\.safetensors"):
        load_teacher(str(tmp_path / "saved"), "text")


def test_a_teacher_whose_base_nobody_knows_is_refused(tmp_path: Path) -> None:
    wrapped(model()).save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"^teacher: .* does not name the model that its adapters are for"):
        load_teacher(str(tmp_path), "text")


# --- places inside the network


@pytest.mark.parametrize("config", [LORA, CONFIGS["head_by_lora"], CONFIGS["ia3"]], ids=["lora", "head", "ia3"])
def test_places_inside_are_those_of_the_merged_model(config: Any, adapted: Any, tmp_path: Path) -> None:
    """Embeddings, pooled vectors, and mixes at each place, against the same model without adapters."""
    adapted(lambda: wrapped(model(), config))
    run = build("mixtext", tmp_path / "run")
    with torch.no_grad():
        for parameter in run.model.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn_like(parameter)
    plain = copy.deepcopy(run.model).merge_and_unload()
    batch = first_batch(run)
    texts = batch["labeled"]["weak"]
    forwards = run.forward_for(run.model), run.forward_for(run.model).of(plain)
    partners = [2, 3, 0, 1]
    coefficients = torch.tensor([0.9, 0.6, 0.7, 0.8])
    mixes = [Mix(partners, torch.tensor(partners), coefficients, at) for at in ("input", "pooled", 1, 2)]
    results = [
        [
            *forward(texts, dropout=False),
            *forward.pooled(texts, dropout=False),
            forward.embed(texts),
            *[forward.mixed(texts, mix=mix)[0] for mix in mixes],
        ]
        for forward in forwards
    ]
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-3)
    assert last_linear(run.model).in_features == plain.config.hidden_size


@pytest.mark.slow
def test_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain = tiny_images.model
    config = LoraConfig(r=2, target_modules=r".*\.(q_proj|query|v_proj|value)", modules_to_save=["classifier"])
    monkeypatch.setattr(tiny_images, "model", lambda **_: wrapped(plain(), config))
    whole, resumed = (build("fixmatch", tmp_path / "run", "image", ema_decay=0.5) for _ in range(2))
    whole.train()
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    assert_same(state_of(resumed), state_of(whole))
    whole.save_model(str(tmp_path / "saved"))
    fresh = wrapped(plain(), config)
    load_adapters(fresh, tmp_path / "saved")
    pixels = torch.randn(3, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(fresh.eval()(pixel_values=pixels).logits, whole.evaluated_model(pixel_values=pixels).logits)


@pytest.mark.slow
def test_checkpointed_layers_give_the_same_adapters(tmp_path: Path) -> None:
    known = {field.name for field in fields(METHODS["mean_teacher"].config_class)}
    flag = "activation_checkpointing" if "activation_checkpointing" in known else "gradient_checkpointing"
    plain = build("mean_teacher", tmp_path / "plain")
    saving = build("mean_teacher", tmp_path / "saving", **{flag: True})
    plain.train()
    saving.train()
    a, b = state_of(plain), state_of(saving)
    for name in a:
        torch.testing.assert_close(a[name], b[name], atol=1e-5, rtol=1e-4)


# --- what is refused


def unfrozen() -> Any:
    student = wrapped(model())
    student.base_model.model.bert.pooler.dense.weight.requires_grad_(True)
    return student


def added() -> Any:
    student = wrapped(model()).unload()
    student._hf_peft_config_loaded = True
    return student


def convolutions() -> Any:
    network = ResNetForImageClassification(
        ResNetConfig(num_channels=1, embedding_size=4, hidden_sizes=[4], depths=[1], num_labels=CLASSES)
    )
    return wrapped(network, LoraConfig(r=2, target_modules=["classifier.1"]))


STUDENTS = {
    "a_weight_of_the_base": (unfrozen, "pooler.dense.weight requires a gradient, and is no part of an adapter"),
    "nothing_to_train": (
        lambda: wrapped(model(), LoraConfig(task_type="SEQ_CLS", inference_mode=True, target_modules=["query"])),
        "no adapter is trainable",
    ),
    "virtual_tokens": (
        lambda: wrapped(model(), PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=2)),
        "adapter 'default' is of type PROMPT_TUNING",
    ),
    "adapters_in_a_plain_model": (added, "expected one from peft.get_peft_model"),
}


@pytest.mark.parametrize(("make", "reason"), STUDENTS.values(), ids=STUDENTS)
def test_what_no_folder_of_adapters_would_hold_is_refused(
    make: Any, reason: str, adapted: Any, tmp_path: Path
) -> None:
    adapted(make)
    with pytest.raises(UserError, match=reason) as caught:
        build("supervised", tmp_path)
    assert "\n" not in str(caught.value)


def test_statistics_that_nobody_would_save_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tiny_images, "model", lambda **_: convolutions())
    with pytest.raises(UserError, match=r"running statistics of .*normalization change in training"):
        build("supervised", tmp_path, "image")


def test_a_frozen_part_of_the_head_is_told(caplog: pytest.LogCaptureFixture, adapted: Any, tmp_path: Path) -> None:
    adapted(lambda: wrapped(model()))
    with caplog.at_level(logging.WARNING, "textssl"):
        build("supervised", tmp_path / "a")
    assert not caplog.records
    adapted(lambda: wrapped(model(), LoraConfig(r=2, target_modules=["query"])))
    with caplog.at_level(logging.WARNING, "textssl"):
        build("supervised", tmp_path / "b")
    (record,) = caplog.records
    assert "classifier.weight is a part of the head that is frozen" in record.getMessage()


def test_the_card_says_how_adapters_are_loaded(base: Path, tmp_path: Path) -> None:
    run = trainer("supervised", loaded(base), tmp_path / "run")
    run.save_model()
    run.create_model_card()
    card = (tmp_path / "run" / "README.md").read_text()
    assert "library_name: peft" in card
    assert str(base) not in card
    (code,) = re.findall(r"```python\n(.*?)```", card.split("## Use")[1], re.DOTALL)
    found: dict[str, Any] = {}
    exec(code.replace('"."', repr(str(tmp_path / "run"))), found)
    (answer,) = found["classifier"]("w1 w2 w3")
    assert answer["label"] in NAMES.values()


def test_the_page_on_adapters_runs(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "guides" / "lora.md").read_text()
    tokenizer().save_pretrained(base)
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    code = code.replace("google-bert/bert-base-uncased", str(base))
    code = code.replace("max_steps=1000", "max_steps=2, max_length=16, report_to=[], disable_tqdm=True, use_cpu=True")
    known: dict[str, Any] = {"labeled": labeled(), "unlabeled": unlabeled(), "held_out": labeled(12, seed=3)}
    exec(code, known)
    texts = list(known["held_out"]["text"])
    expected = known["trainer"].predict(known["held_out"]).predictions.argmax(-1)
    assert [answer["label"] for answer in known["classify"](texts)] == [NAMES[int(i)] for i in expected]
    # Those that the page refuses are those that a trainer does.
    table = page.split("## What is refused")[1].lower().replace("-", "").replace(" ", "")
    assert all(method.replace("_", "") in table for method in REFUSED)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_adapters_are_pushed_with_a_card_that_names_their_base(
    hub: LocalHub, base: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(transformers_hub, "_hf_api", None, raising=False)
    student = loaded(base)
    student.config._name_or_path = "someone/base"
    run = trainer("supervised", student, tmp_path / "run", hub_model_id="me/adapters", hub_token="hf_0123456789")
    run.push_to_hub()
    files = hub.repos["me/adapters"].commits[-1][1]
    expected = {"README.md", "adapter_config.json", "adapter_model.safetensors", "config.json"}
    assert set(files) - {".gitattributes"} == {*expected, "tokenizer.json", "tokenizer_config.json"}
    card = files["README.md"].decode()
    assert "base_model: someone/base" in card
    assert "base_model_relation: adapter" in card


@pytest.mark.slow
def test_each_new_model_of_a_search_has_new_adapters(tmp_path: Path) -> None:
    run = build("mean_teacher", tmp_path / "run", anew=True, given={"model": wrapped(model())})
    run.train()
    first = state_of(run)
    run.train()
    assert_same(state_of(run), first)
    own = {p.data_ptr() for p in run.evaluated_model.parameters()} - {p.data_ptr() for p in run.model.parameters()}
    assert len(own) == sum(p.requires_grad for p in run.model.parameters())
