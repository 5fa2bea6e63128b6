"""The Python of the quickstart and of the guides runs: with tiny models and data in place of those that it names."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import pytest
from transformers import BertForSequenceClassification, PreTrainedModel, ViTForImageClassification

from tests.contract import tiny_images, tiny_texts
from textssl import FixMatchConfig, FixMatchTrainer, UDAConfig
from textssl.fit import classifier
from textssl.fit.candidates.heads import Probe
from textssl.fit.candidates.self_training import SelfTraining
from textssl.models import embedded_model_path


DOCS = Path(__file__).parents[2] / "docs"
# Lengths of a real run, and what stands in their place.
SHORTER = (
    (r"max_steps=[\d_]+", "max_steps=2, use_cpu=True"),
    (r"finetune_steps=\d+", "finetune_steps=1"),
    (r"rounds=3", "rounds=1"),
    (r"range\(5000\)", "range(40)"),
    (r"range\(100\)", "range(12)"),
    (r"mix_layers=\[7, 9, 12\]", "mix_layers=[1, 2]"),  # the tiny model has two
)
# The tiny models for texts have 32 positions.
FIT = (r'many, level="fast"\)', 'many, level="fast", max_length=16)')
CUT = (r'output_dir="(\w+)"', r'output_dir="\1", max_length=16')


def run_page(
    page: Path, names: dict[str, Any], changes: tuple[tuple[str, str], ...] = (*SHORTER, CUT, FIT)
) -> dict[str, Any]:
    """Run the Python blocks of a page one after the other; the names that they leave."""
    blocks = re.findall(r"```python\n(?!>>>)(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        for pattern, change in changes:
            block = re.sub(pattern, change, block)
        exec(compile(block, page.name, "exec"), names)
    return names


def with_columns(rows: datasets.Dataset, *names: str) -> datasets.Dataset:
    for name in names:
        rows = rows.add_column(name, [f"{text} w1" for text in rows["text"]])
    return rows


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty folder that the code is run in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEXTSSL_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def texts() -> dict[str, Any]:
    """What the guides assume."""
    return {
        "model": tiny_texts.model(),
        "larger_model": tiny_texts.model(seed=1),
        "tokenizer": tiny_texts.tokenizer(),
        "few": tiny_texts.labeled(),
        "many": with_columns(tiny_texts.unlabeled(), "german", "russian", "back_translation"),
        "test": tiny_texts.labeled(9, seed=3),
        "labeled_by_rules": tiny_texts.labeled(8, seed=4),
        "config": UDAConfig("out", max_steps=2, max_length=16, use_cpu=True),
    }


@pytest.fixture
def encoder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny model where the one of the package is looked for."""
    place = folder / "encoder"
    tiny_texts.model().save_pretrained(place)
    tiny_texts.tokenizer().save_pretrained(place)
    for module in ("textssl.models", "textssl.fit.embeddings"):
        monkeypatch.setattr(f"{module}.embedded_model_path", lambda: place)
    monkeypatch.setattr(classifier, "CANDIDATES", (Probe(), SelfTraining()))
    return place


def two_classes() -> PreTrainedModel:
    config = tiny_texts.model().config
    config.num_labels = 2
    return BertForSequenceClassification(config)


@pytest.fixture
def reviews(folder: Path) -> datasets.Dataset:
    """The names of the Hub are folders here; own files of texts lie beside them."""
    bert, imdb = folder / "google-bert" / "bert-base-uncased", folder / "stanfordnlp" / "imdb" / "data"
    two_classes().save_pretrained(bert)
    tiny_texts.tokenizer().save_pretrained(bert)
    imdb.mkdir(parents=True)
    columns = {"text": tiny_texts.texts(40, 5)[0], "label": [i % 2 for i in range(40)]}
    rows = datasets.Dataset.from_dict(columns).cast_column("label", datasets.ClassLabel(names=["neg", "pos"]))
    for split in ("train", "test", "unsupervised"):
        rows.to_parquet(imdb / f"{split}-00000-of-00001.parquet")
    tiny_texts.labeled(12).to_csv(folder / "few.csv")
    tiny_texts.unlabeled().to_csv(folder / "many.csv")
    return rows


@pytest.mark.slow
def test_readme(encoder: Path, reviews: datasets.Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    names = run_page(DOCS.parent / "README.md", {})
    assert len(names["result"].predict(["w1", "w2"])) == 2
    assert re.search(r"\[{'label': '(?:neg|pos)', 'score': 0\.\d+}\]", capsys.readouterr().out)


@pytest.mark.slow
def test_quickstart(
    folder: Path,
    encoder: Path,
    reviews: datasets.Dataset,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    source = SimpleNamespace(train=reviews, label_names=("neg", "pos"))
    monkeypatch.setattr("textssl.sources.load_source", lambda name: {"imdb": source}[name])
    names = run_page(DOCS / "quickstart.md", {})
    assert len(names["result"].predict(["w1", "w2"])) == 2
    printed = capsys.readouterr().out
    assert len(re.findall(r"\[{'label': '(?:neg|pos)', 'score': 0\.\d+}\]", printed)) == 2
    assert (folder / "out" / "model.safetensors").exists()


def test_augmentation(folder: Path, texts: dict[str, Any]) -> None:
    names = run_page(DOCS / "guides" / "augmentation.md", texts)
    assert names["strong"].learned()


def test_back_translation(folder: Path, texts: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    class Engine:
        identity, deterministic = "tiny", True

        def translate(self, texts: list[str], rng: Any) -> list[str]:
            return [f"w1 {text}" for text in texts]

    monkeypatch.setattr("textssl.augment.text.ApertiumEngine", Engine)
    texts["many"] = tiny_texts.unlabeled().map(lambda row: {"text": f"a text: {row['text']}"})
    names = run_page(DOCS / "guides" / "back_translation.md", texts)
    assert names["many"]["back_translation"][0] == f"w1 {names['many']['text'][0]}"


def test_images(folder: Path) -> None:
    place = folder / "facebook" / "dinov2-small"
    tiny_images.model().save_pretrained(place)
    tiny_images.processor().save_pretrained(place)
    few, many = tiny_images.dataset(9, 1), tiny_images.dataset(30, 2, labels=False)
    names = run_page(DOCS / "guides" / "images.md", {"few": few, "many": many}, SHORTER)
    assert isinstance(names["model"], ViTForImageClassification)


@pytest.mark.parametrize("page", ["mixing", "memory"])
def test_pages_that_make_a_trainer_or_a_config(page: str, folder: Path, texts: dict[str, Any]) -> None:
    run_page(DOCS / "guides" / f"{page}.md", texts)


@pytest.mark.slow
def test_self_training(folder: Path, texts: dict[str, Any]) -> None:
    run_page(DOCS / "guides" / "self_training.md", texts)
    assert (folder / "out" / "rounds.json").exists()
    assert (folder / "out" / "round-1" / "pseudo_labels.parquet").exists()


def test_noisy_labels(folder: Path, texts: dict[str, Any]) -> None:
    names = run_page(DOCS / "guides" / "noisy_labels.md", texts)
    assert len(names["trainer"].clean_probability()) == len(texts["labeled_by_rules"])


@pytest.mark.slow
def test_migrating(folder: Path, encoder: Path, texts: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    texts["few"] = tiny_texts.labeled(12).map(lambda row: {"label": ["bad", "fair", "good"][row["label"]]})
    run_page(DOCS / "guides" / "migrating.md", texts)
    assert re.search(r"\['(bad|fair|good)'\]", capsys.readouterr().out)


@pytest.mark.slow
def test_scikit_learn(folder: Path, encoder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes = ((r'level="fast"', 'level="fast", max_length=16'),)
    names = run_page(DOCS / "guides" / "scikit_learn.md", {}, changes)
    assert names["classifier"].classes_.tolist() == ["politics", "sport"]
    assert names["classifier"].result_.num_unlabeled == 2
    assert re.search(r"\['(politics|sport)'\]", capsys.readouterr().out)


def test_corpus_jobs(folder: Path) -> None:
    (folder / "sentence-transformers").mkdir()
    (folder / "sentence-transformers" / "all-MiniLM-L6-v2").symlink_to(embedded_model_path())
    names = run_page(DOCS / "guides" / "corpus_jobs.md", {"texts": tiny_texts.unlabeled(4)})
    assert len(names["shards"].dataset()) == 4


def test_resuming(folder: Path) -> None:
    def make() -> FixMatchTrainer:
        config = FixMatchConfig("out", max_steps=2, save_steps=1, max_length=16, use_cpu=True)
        few, many = tiny_texts.labeled(), tiny_texts.unlabeled()
        return FixMatchTrainer(tiny_texts.model(), config, few, many, processing_class=tiny_texts.tokenizer())

    make().train()
    names = run_page(DOCS / "guides" / "resuming.md", {"trainer": make()})
    assert names["trainer"].state.global_step == 2


def test_hub(folder: Path) -> None:
    place = folder / "me" / "uda-imdb"
    tiny_texts.model().save_pretrained(place)
    tiny_texts.tokenizer().save_pretrained(place)
    done: list[str] = []
    trainer = SimpleNamespace(train=lambda: done.append("train"), push_to_hub=lambda: done.append("push"))
    names = run_page(DOCS / "guides" / "hub.md", {"trainer": trainer})
    assert done == ["train", "push"]
    assert names["classify"]("w1 w2")[0]["label"].startswith("LABEL_")
