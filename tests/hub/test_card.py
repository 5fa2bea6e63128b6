from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, replace

import pytest
import yaml

from textssl.hub import (
    Citation,
    DataFacts,
    RunFacts,
    SplitFacts,
    changed_hyperparameters,
    model_card,
    write_model_card,
)


CITATION = Citation(
    "Unsupervised Data Augmentation for Consistency Training",
    ("Qizhe Xie", "Zihang Dai"),
    2020,
    "1904.12848",
    "@inproceedings{xie2020uda,\n  year = {2020}\n}\n",
)
FACTS = RunFacts(
    method="uda",
    citation=CITATION,
    hub_model_id="me/imdb-uda",
    base_model="sentence-transformers/all-MiniLM-L6-v2",
    language="en",
    label_names=("negative", "positive"),
    data=DataFacts("IMDb", "stanfordnlp/imdb", "a package", "for research", "sha256:12ab"),
    split=SplitFacts(20, 5000, 2000, 7, "c0ffee"),
    hyperparameters={"threshold": 0.8, "tsa": "linear"},
    metrics={"eval_accuracy": 0.8125, "eval_macro_f1": 0.8, "eval_loss": 1.5},
    baseline={"accuracy": 0.75},
    versions={"transformers": "5.23.0"},
)


def metadata(card: str) -> dict:
    return yaml.safe_load(card.split("---\n")[1])


def section(card: str, title: str) -> str:
    return card.split(f"## {title}\n")[1].split("\n## ")[0]


def test_metadata_is_what_the_hub_reads():
    assert metadata(str(model_card(FACTS))) == {
        "base_model": "sentence-transformers/all-MiniLM-L6-v2",
        "datasets": ["stanfordnlp/imdb"],
        "language": "en",
        "library_name": "transformers",
        "metrics": ["accuracy", "f1"],
        "pipeline_tag": "text-classification",
        "tags": ["textssl", "semi-supervised-learning", "uda"],
        "model-index": [
            {
                "name": "imdb-uda",
                "results": [
                    {
                        "task": {"type": "text-classification", "name": "Text Classification"},
                        "dataset": {"name": "IMDb", "type": "stanfordnlp/imdb"},
                        "metrics": [
                            {"type": "accuracy", "value": 0.8125, "name": "Accuracy"},
                            {
                                "type": "f1",
                                "value": 0.8,
                                "name": "Macro F1",
                                "args": {"average": "macro"},
                            },
                        ],
                    }
                ],
            }
        ],
    }


def test_text_tells_every_fact():
    card = str(model_card(FACTS))
    assert 'pipeline("text-classification", model="me/imdb-uda", truncation=True)' in section(card, "Use")
    assert "`negative`, `positive`" in section(card, "Use")
    # 100 * (0.8125 - 0.75) by hand; the baseline has no macro-F1, so no gain of it either
    assert "| Accuracy | 0.8125 | 0.7500 | +6.25 |" in section(card, "Results")
    assert "| Macro F1 | 0.8000 |  |  |" in section(card, "Results")
    for told in ("IMDb", "`stanfordnlp/imdb`", "a package", "for research", "`sha256:12ab`"):
        assert told in section(card, "Data")
    for told in ("Labeled examples: 20", "examples: 5000", "examples: 2000", ": 7", "`c0ffee`"):
        assert told in section(card, "Split")
    for told in ("`uda`", CITATION.title, "Qizhe Xie, Zihang Dai", "arxiv.org/abs/1904.12848"):
        assert told in section(card, "Method")
    assert "```bibtex\n@inproceedings{xie2020uda,\n  year = {2020}\n}\n```" in card
    assert "| `threshold` | `0.8` |" in section(card, "Hyper-parameters")
    assert "transformers 5.23.0" in section(card, "Versions")


def test_labels_that_are_wrong_on_purpose_are_told_twice():
    card = str(model_card(replace(FACTS, split=replace(FACTS.split, noise="symmetric", wrong_labels=8))))
    assert "on 20 labeled (8 of them wrongly, on purpose) and 5,000 unlabeled examples of IMDb" in card
    assert "- Labels that are wrong on purpose: 8\n- Kind of their noise: symmetric" in section(card, "Split")
    assert "wrong" not in str(model_card(FACTS))


def test_without_facts_nothing_is_claimed():
    card = str(model_card(RunFacts()))
    assert metadata(card) == {
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "tags": ["textssl", "semi-supervised-learning"],
    }
    assert re.findall("^## (.*)", card, re.M) == ["Use"]
    assert "None" not in card


def test_each_missing_fact_leaves_out_its_line_only():
    card = str(model_card(RunFacts(data=DataFacts(name="IMDb"), split=SplitFacts(seed=0))))
    assert section(card, "Data").strip() == "- Data set: IMDb"
    assert section(card, "Split").strip() == "- Seed of the split: 0"
    alone = str(model_card(RunFacts(metrics={"accuracy": 0.5, "macro_f1": float("nan")})))
    assert "| Accuracy | 0.5000 |" in alone
    assert "Macro" not in alone
    assert "baseline" not in alone
    # a model index must name its data: without a name there is none
    assert "model-index" not in metadata(alone)


@pytest.mark.parametrize("base_model", ["/home/someone/model", "../model", "here", "a/b/c"])
def test_a_folder_is_not_told_as_base_model(base_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    card = str(model_card(RunFacts(base_model=base_model)))
    assert "base_model" not in metadata(card)
    assert base_model not in card.split("---\n")[2].replace("the folder of this file", "")


def test_facts_cannot_break_the_markdown():
    facts = RunFacts(
        model_name="a\n---\n# b",
        data=DataFacts(name="IMDb\n\n## Results", origin="x\ny"),
        hyperparameters={"pattern": "a|b\nc"},
    )
    card = str(model_card(facts))
    assert "# a --- # b" in card
    assert re.findall("^## (.*)", card, re.M) == ["Use", "Data", "Hyper-parameters"]
    assert "| `pattern` | `a\\|b c` |" in card


def test_a_metric_out_of_range_is_named():
    with pytest.raises(ValueError, match=r"metric accuracy: got 81.*; expected a number in \[0, 1\]"):
        model_card(RunFacts(metrics={"eval_accuracy": 81.0}))


def test_write_model_card_is_atomic_and_named_after_the_folder(tmp_path):
    folder = tmp_path / "imdb-uda"
    path = write_model_card(folder, RunFacts(method="uda"))
    assert path == folder / "README.md"
    assert "\n# imdb-uda\n" in path.read_text(encoding="utf-8")
    assert list(folder.iterdir()) == [path]
    write_model_card(folder, FACTS)
    assert path.read_text(encoding="utf-8") == str(model_card(FACTS))


def test_changed_hyperparameters_are_told_and_secrets_are_not():
    from transformers import TrainingArguments

    @dataclass
    class MethodArguments(TrainingArguments):
        threshold: float = 0.95
        schedule: str = "linear"
        index_file: str | None = None

    config = MethodArguments(
        output_dir="/tmp/run",
        learning_rate=3e-5,
        lr_scheduler_type="cosine",
        threshold=0.8,
        index_file="/home/someone/index",
        hub_token="hf_secret",
        logging_steps=3,
        use_cpu=True,
    )
    assert changed_hyperparameters(config) == {
        "learning_rate": 3e-5,
        "lr_scheduler_type": "cosine",
        "threshold": 0.8,
    }
    assert changed_hyperparameters(MethodArguments(output_dir="/tmp/run", use_cpu=True)) == {}
    with pytest.raises(TypeError, match="config must be a dataclass instance"):
        changed_hyperparameters({"threshold": 0.8})


def test_import_is_cheap():
    code = (
        "import sys, textssl.hub\n"
        "heavy = {'huggingface_hub', 'transformers', 'torch', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("task", "line"),
    [
        ("text-classification", "import textssl.models  # makes"),
        (None, "from textssl.models import Ensemble\n\nclassifier = Ensemble.from_pretrained"),
    ],
)
def test_transformers_is_told_of_a_model_of_several_networks(task: str | None, line: str) -> None:
    assert line in section(str(model_card(replace(FACTS, ensemble=True, task=task))), "Use")
    assert "ensemble" not in section(str(model_card(replace(FACTS, task=task))), "Use")


def test_a_head_alone_says_why() -> None:
    card = str(model_card(RunFacts(method="fixmatch", task=None, features_alone="gray values, which no encoder made")))
    assert "The model takes features alone: gray values, which no encoder made." in section(card, "Method")
    assert "as described below" in card
    assert "config.encoder" not in card
