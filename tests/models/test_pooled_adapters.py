"""Adapters of peft on a classifier that pools its encoder: its head is trained whole beside them, and saved."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import AutoPeftModelForSequenceClassification, LoraConfig
from transformers import AutoModelForSequenceClassification

from tests.contract.cases import build, labeled, state_of
from tests.contract.test_contract import assert_same
from tests.models.test_adapters import NAMES, logits_of, trainer, wrapped
from tests.models.tiny_pooled import pooled
from textssl import UserError
from textssl.models.adapters import load_adapters
from textssl.self_training.teachers import load_teacher
from textssl.training.head_learning_rate import head_parameters


SETTINGS: dict[str, Any] = {"r": 4, "lora_alpha": 8, "target_modules": ["query", "value"]}
LORA = LoraConfig(task_type="SEQ_CLS", modules_to_save=["head"], **SETTINGS)


def standardized(**settings: Any) -> Any:
    vectors = torch.randn(20, 32, generator=torch.Generator().manual_seed(1))
    return pooled(standardize=True, id2label=NAMES, **settings).fit_standardization(vectors)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A pooled classifier on the disk, whose standardisation no adapter holds."""
    standardized().save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def loaded(base: Path, config: Any = LORA) -> Any:
    return wrapped(AutoModelForSequenceClassification.from_pretrained(base), config)


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [(), (8,)])
def test_the_head_beside_the_adapters_has_a_learning_rate_of_its_own(hidden: tuple[int, ...], tmp_path: Path) -> None:
    def make() -> Any:
        names = ["hidden", "head"] if hidden else ["head"]
        student = wrapped(pooled(hidden_sizes=hidden), LoraConfig(modules_to_save=names, **SETTINGS))
        settings = {"head_learning_rate": 0.2, "ema_decay": 0.5, "threshold": 0.0}
        return build("fixmatch", tmp_path / "run", given={"model": student}, **settings)

    whole, resumed = make(), make()
    names = {id(p): name for name, p in whole.model.named_parameters()}
    found = {names[id(p)] for p in head_parameters(whole.model)}
    trained = {name for name, p in whole.model.named_parameters() if p.requires_grad}
    assert found == {name for name in trained if "lora_" not in name}
    assert len(found) == 2 + 2 * len(hidden)
    rates = {names[id(p)]: group["lr"] for group in whole.create_optimizer().param_groups for p in group["params"]}
    assert {name for name, rate in rates.items() if rate == 0.2} == found
    whole.train()
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    assert_same(state_of(resumed), state_of(whole))


@pytest.mark.slow
def test_a_saved_student_is_loaded_onto_its_base(base: Path, tmp_path: Path) -> None:
    """By peft's own way, by this library's, by that of the card; and merged it is a pooled classifier as any other."""
    run = trainer("fixmatch", loaded(base), tmp_path / "run", threshold=0.0, ema_decay=0.5)
    run.train()
    expected = run.predict(labeled(12, seed=3)).predictions
    run.save_model()
    run.create_model_card()
    assert not np.allclose(expected, logits_of(standardized()).numpy(), atol=1e-2)
    saved = tmp_path / "run"
    fresh = loaded(base)
    load_adapters(fresh, saved)
    again = AutoPeftModelForSequenceClassification.from_pretrained(saved)
    teacher, _ = load_teacher(str(saved), "text")
    for network in (fresh, again, teacher):
        np.testing.assert_allclose(logits_of(network).numpy(), expected, atol=1e-5)
    again.merge_and_unload().save_pretrained(tmp_path / "merged")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged")
    np.testing.assert_allclose(logits_of(plain).numpy(), expected, atol=1e-5)
    (code,) = re.findall(r"```python\n(.*?)```", (saved / "README.md").read_text().split("## Use")[1], re.DOTALL)
    known: dict[str, Any] = {}
    exec(code.replace('"."', repr(str(saved))), known)
    texts = list(labeled(12, seed=3)["text"])
    answers = known["classifier"](texts, max_length=16)
    assert [answer["label"] for answer in answers] == [NAMES[int(i)] for i in expected.argmax(-1)]


def test_a_head_that_is_not_named_is_told_in_one_line(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """peft knows the names of the heads of transformers alone."""
    given = {"model": wrapped(pooled(), LoraConfig(task_type="SEQ_CLS", **SETTINGS))}
    with caplog.at_level(logging.WARNING, "textssl"):
        build("supervised", tmp_path, given=given)
    (record,) = caplog.records
    assert re.search(r"head\.weight is .* frozen .* name 'head' in modules_to_save", record.getMessage())
    message = r"head_learning_rate: got 0\.2; the head is frozen: name 'head' in modules_to_save of peft's config"
    with pytest.raises(UserError, match=message):
        build("supervised", tmp_path, given=given, head_learning_rate=0.2)
