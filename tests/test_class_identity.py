"""Class names decide: in training, each evaluation set, predictions, second networks, teachers, and what is saved."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from transformers import BertForSequenceClassification, pipeline

from tests.contract import tiny_pairs
from tests.contract.cases import labeled, model, swap_words, texts, tokenizer, unlabeled
from tests.self_training.rounds_run import make as rounds
from tests.uda_trainer import NAMES, named_model, table, uda
from textssl import DivideMixConfig, DivideMixTrainer, FixMatchConfig, FixMatchTrainer, UserError
from textssl.data.class_names import label_names
from textssl.methods.distillation import DistillationConfig, DistillationTrainer


ORDERS = [["bad", "fair", "good"], ["good", "bad", "fair"]]


def named(drawn: list[str], ids: list[int], order: list[str]) -> datasets.Dataset:
    """The same rows, whose classes are ``NAMES[id]``, by a ``ClassLabel`` in some order."""
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=order)})
    return datasets.Dataset.from_dict(
        {"text": drawn, "label": [order.index(NAMES[i]) for i in ids]}, features=features
    )


def words(drawn: list[str], ids: list[int]) -> datasets.Dataset:
    return table(text=drawn, label=[NAMES[i] for i in ids])


def forms(drawn: list[str], ids: list[int]) -> dict[str, datasets.Dataset]:
    """The same rows in all forms that have names."""
    kept = [i for i, c in enumerate(ids) if c != 0]
    part = words([drawn[i] for i in kept], [ids[i] for i in kept])
    return {
        "same order": named(drawn, ids, ORDERS[0]),
        "other order": named(drawn, ids, ORDERS[1]),
        "a class more": named(drawn, ids, ["odd", *ORDERS[1]]),
        "strings": words(drawn, ids),
        "a class less, encoded by itself": part.class_encode_column("label"),
    }


def by_hand(network: Any, data: datasets.Dataset, said: list[str]) -> float:
    """Accuracy by names, one text at a time; ``said`` are the names of the model's outputs."""
    feature, right = data.features["label"], 0
    for row in data:
        truth = feature.names[row["label"]] if isinstance(feature, datasets.ClassLabel) else row["label"]
        with torch.no_grad():
            logits = network(**tokenizer()(row["text"], truncation=True, max_length=16, return_tensors="pt")).logits
        right += said[int(logits.argmax())] == truth
    return right / len(data)


@pytest.mark.slow
@pytest.mark.parametrize("own", [None, ["fair", "good", "bad"]], ids=["LABEL_n", "names of its own"])
@pytest.mark.parametrize("train", ["ClassLabel", "strings"])
def test_each_evaluation_set_is_measured_by_names(own: list[str] | None, train: str, tmp_path: Path) -> None:
    network = model()
    if own is not None:
        network.config.id2label = dict(enumerate(own))
    drawn, ids = texts(9, 1)
    order = ["good", "bad", "fair"]
    sets = forms(*texts(21, 3))
    trainer = uda(
        tmp_path,
        model=network,
        train_dataset=named(drawn, ids, order) if train == "ClassLabel" else words(drawn, ids),
        eval_dataset=sets,
        args={"learning_rate": 5e-3, "max_steps": 15},
    )
    expected = own or (order if train == "ClassLabel" else NAMES)
    assert label_names(network.config) == label_names(trainer.evaluated_model.config) == expected
    assert network.config.label2id == {name: i for i, name in enumerate(expected)}
    trainer.train()
    at_once = trainer.evaluate()
    network = trainer.evaluated_model.eval()
    for name, data in sets.items():
        accuracy = by_hand(network, data, expected)
        assert at_once[f"eval_{name}_accuracy"] == pytest.approx(accuracy), name
        assert trainer.evaluate(data)["eval_accuracy"] == pytest.approx(accuracy), name
        output = trainer.predict(data)
        assert output.metrics["test_accuracy"] == pytest.approx(accuracy), name
        feature = data.features["label"]
        told = [feature.names[i] for i in data["label"]] if hasattr(feature, "names") else data["label"]
        assert [expected[i] for i in output.label_ids] == list(told), name
    assert len({at_once[f"eval_{name}_accuracy"] for name in list(sets)[:4]}) == 1


@pytest.mark.parametrize("labels", ["strings", "booleans"])
def test_what_is_saved_answers_with_names(labels: str, tmp_path: Path) -> None:
    """The model, the average that is evaluated, and the card."""
    drawn, ids = texts(9, 1)
    if labels == "booleans":
        config = copy.deepcopy(model().config)
        config.num_labels = 2
        network, data = BertForSequenceClassification(config), table(text=drawn, label=[i == 0 for i in ids])
        names = ["False", "True"]
    else:
        network, data, names = model(), words(drawn, ids), NAMES
    trainer = uda(tmp_path, model=network, train_dataset=data, args={"teacher_decay": 0.9, "max_steps": 2})
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    assert trainer.facts.label_names == tuple(names)
    assert label_names(trainer.evaluated_model.config) == names
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert [config["id2label"][str(i)] for i in range(len(names))] == names
    answers = pipeline("text-classification", model=str(tmp_path / "saved"), tokenizer=tokenizer(), device="cpu")
    assert {said["label"] for said in answers(drawn, top_k=None)[0]} == {*names}


def test_each_new_model_of_model_init_gets_the_names(tmp_path: Path) -> None:
    made = [model(), model(), renamed("fair", "bad", "good")]
    trainer = uda(tmp_path, model=None, model_init=lambda: made.pop(0), train_dataset=words(*texts(9, 1)))
    assert label_names(trainer.model.config) == NAMES
    trainer.train()
    assert label_names(trainer.model.config) == NAMES
    with pytest.raises(UserError, match="model_init: its labels are fair, bad, good; those of the model are"):
        trainer.train()


def test_integers_leave_a_model_its_numbers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer = uda(tmp_path, eval_dataset=labeled(12, seed=3))
    assert label_names(trainer.model.config) == ["LABEL_0", "LABEL_1", "LABEL_2"]
    # Three names for three classes nobody named: their numbers are all there is.
    drawn, ids = texts(12, 3)
    assert trainer.evaluate(named(drawn, ids, NAMES))["eval_loss"] == trainer.evaluate()["eval_loss"]
    assert said(caplog) == [
        "eval_dataset: its classes have names, those of train_dataset and the model have none: they are taken in the "
        "order 'bad', 'fair', 'good'."
    ]


REFUSED: dict[str, tuple[Any, str]] = {
    "a name that training does not know": (
        lambda: {"eval_dataset": table(text=["w1", "w2"], label=["good", "great"])},
        r"eval_dataset: label 'great' in row 1 .* not among the model's labels \['bad', 'fair', 'good'\]",
    ),
    "a class that only a ClassLabel of the evaluation has": (
        lambda: {"eval_dataset": {"x": named(*texts(6, 3), ORDERS[1]), "y": table(text=["w"], label=["worst"])}},
        r"eval_dataset\['y'\]: label 'worst' in row 0",
    ),
    "a model of other classes": (
        lambda: {"model": renamed("bad", "fair", "great")},
        r"train_dataset: label 'good' in row 2 .* not among the model's labels \['bad', 'fair', 'great'\]; those of "
        r"the column are \['bad', 'fair', 'good'\]",
    ),
    "numbers that may be the data's or the model's": (
        lambda: {"model": renamed("good", "bad", "fair"), "eval_dataset": labeled()},
        r"eval_dataset: column 'label' holds numbers, which may be those of train_dataset \('bad', 'fair', 'good'\) "
        r"or of the model \('good', 'bad', 'fair'\); expected names",
    ),
}


def renamed(*names: str) -> BertForSequenceClassification:
    network = model()
    network.config.id2label = dict(enumerate(names))
    network.config.label2id = {name: i for i, name in enumerate(names)}
    return network


@pytest.mark.parametrize("case", REFUSED)
def test_what_names_cannot_tell_is_refused(case: str, tmp_path: Path) -> None:
    changes, told = REFUSED[case]
    with pytest.raises(UserError, match=told):
        uda(tmp_path, train_dataset=named(*texts(9, 1), NAMES), **changes())


def test_data_given_later_are_read_by_names_too(tmp_path: Path) -> None:
    trainer = uda(tmp_path, train_dataset=named(*texts(9, 1), NAMES))
    for act in (trainer.evaluate, trainer.predict):
        with pytest.raises(UserError, match="label 'great' in row 0"):
            act(table(text=["w1"], label=["great"]))


@pytest.mark.parametrize("missing", [None, -1, "no column"])
def test_texts_without_labels_are_predicted(missing: Any, tmp_path: Path) -> None:
    trainer = uda(tmp_path, train_dataset=named(*texts(9, 1), NAMES))
    data = unlabeled(5)
    output = trainer.predict(data if missing == "no column" else data.add_column("label", [missing] * 5))
    assert output.predictions.shape == (5, 3)
    assert output.label_ids is None
    with pytest.raises(UserError, match="test_dataset: column 'text' has no text in 1 of 2 rows"):
        trainer.predict(table(text=["w1", None]))


def dividemix(out: Path, **more: Any) -> DivideMixTrainer:
    args = DivideMixConfig(
        output_dir=str(out), max_steps=2, per_device_train_batch_size=4, use_cpu=True, report_to=[], disable_tqdm=True,
        save_strategy="no", max_length=16, warm_start_steps=1,
    )  # fmt: skip
    return DivideMixTrainer(
        more.pop("model", None) or model(), args, named(*texts(9, 1), ORDERS[1]), processing_class=tokenizer(),
        augmentations={"weak": swap_words, "strong": swap_words}, **more,
    )  # fmt: skip


def test_two_networks_have_the_same_classes(tmp_path: Path) -> None:
    peer = model(seed=5)
    trainer = dividemix(tmp_path, peer=peer)
    assert label_names(peer.config) == label_names(trainer.evaluated_model.config) == ORDERS[1]
    assert [member["id2label"] for member in trainer.evaluated_model.config.members] == [
        dict(enumerate(ORDERS[1]))
    ] * 2
    # A first network without names, and a second one with those of the data.
    dividemix(tmp_path, peer=renamed(*ORDERS[1]))
    with pytest.raises(
        UserError, match="peer: its labels are bad, fair, good; those of the model are good, bad, fair"
    ):
        dividemix(tmp_path, peer=named_model())
    several = model(seed=5)
    several.config.problem_type = "multi_label_classification"
    with pytest.raises(UserError, match="peer: got problem_type 'multi_label_classification'"):
        dividemix(tmp_path, peer=several)


def distillation(out: Path, data: datasets.Dataset, many: datasets.Dataset, **more: Any) -> DistillationTrainer:
    args = DistillationConfig(
        output_dir=str(out), max_steps=1, per_device_train_batch_size=4, mu=2, use_cpu=True, report_to=[],
        disable_tqdm=True, save_strategy="no", max_length=16,
    )  # fmt: skip
    return DistillationTrainer(model(), args, data, many, processing_class=tokenizer(), **more)


def test_a_teachers_classes_are_put_in_the_order_of_the_data(tmp_path: Path) -> None:
    """The student has no names: by number its classes would be the teacher's in a wrong order."""
    teacher = renamed("good", "bad", "fair")
    trainer = distillation(tmp_path, named(*texts(9, 1), NAMES), unlabeled(), teacher=teacher)
    trainer.train()
    kept = pq.read_table(tmp_path / "round-1" / "pseudo_labels.parquet")
    with torch.no_grad():
        encoded = [
            tokenizer()(t, truncation=True, max_length=16, return_tensors="pt") for t in kept["text"].to_pylist()
        ]
        theirs = np.stack([teacher.eval()(**one).logits[0].softmax(-1).numpy() for one in encoded])
    said = np.stack([kept[f"probability_{name}"].to_numpy() for name in ("good", "bad", "fair")], axis=1)
    np.testing.assert_allclose(said, theirs, atol=1e-5)
    assert kept["label"].to_pylist() == [["good", "bad", "fair"][i] for i in theirs.argmax(1)]


def test_classes_told_by_number_are_spoken_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    distillation(tmp_path, named(*texts(9, 1), NAMES), unlabeled(), teacher=model(seed=5))
    assert [r.getMessage() for r in caplog.records if "teacher:" in r.getMessage()] == [
        "teacher: the classes of the teacher have no names, so they are taken in the order 3 (bad, fair, good). If "
        "that is wrong, set its config.id2label."
    ]
    caplog.clear()
    distillation(tmp_path, labeled(), unlabeled(), teacher=model(seed=5))
    distillation(tmp_path, named(*texts(9, 1), NAMES), unlabeled(), teacher=named_model())
    assert not [r for r in caplog.records if "teacher:" in r.getMessage()]
    several = model()
    several.config.problem_type = "regression"
    with pytest.raises(UserError, match="teacher: got problem_type 'regression'"):
        distillation(tmp_path, labeled(), unlabeled(), teacher=several)


@pytest.mark.slow
def test_students_that_a_person_makes_get_the_names_or_are_refused(tmp_path: Path) -> None:
    made = [model(seed=7), named_model()]
    trainer = rounds(tmp_path / "a", make_student=lambda number: made[0], rounds=2, model=renamed(*ORDERS[1]))
    trainer.train()
    assert label_names(made[0].config) == ORDERS[1]
    trainer = rounds(tmp_path / "b", make_student=lambda number: made[1], rounds=2, model=renamed(*ORDERS[1]))
    with pytest.raises(UserError, match=r"make_student\(1\): its labels are bad, fair, good; those of the model are"):
        trainer.train()


def test_columns_of_probabilities_are_ordered_by_their_names(tmp_path: Path) -> None:
    probs = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], np.float32)

    def stored(**columns: Any) -> np.ndarray:
        many = table(text=["w1 w2", "w3"], **columns)
        trainer = distillation(tmp_path, named(*texts(9, 1), NAMES), many)
        return np.array(trainer.train_dataset.unlabeled["probabilities"][:])

    def by(*names: str) -> dict[str, list[float]]:
        return {f"probability_{name}": probs[:, c].tolist() for c, name in enumerate(names)}

    np.testing.assert_array_equal(stored(probabilities=probs.tolist()), probs)
    np.testing.assert_array_equal(stored(**by("LABEL_0", "LABEL_1", "LABEL_2")), probs)
    np.testing.assert_array_equal(stored(**by("bad", "fair", "good")), probs)
    np.testing.assert_array_equal(stored(**by("good", "bad", "fair")), probs[:, [1, 2, 0]])
    # As a CSV file has them.
    strings = {name: [str(value) for value in values] for name, values in by("good", "bad", "fair").items()}
    np.testing.assert_allclose(stored(**strings), probs[:, [1, 2, 0]], rtol=1e-6)
    with pytest.raises(UserError, match=r"NAME are of the classes 'a', 'b', 'c'; those of the model are 'bad'"):
        stored(**by("a", "b", "c"))
    with pytest.raises(UserError, match="column 'probability_bad' has no probability in row 1"):
        stored(**by("good", "fair") | {"probability_bad": [0.1, None]})
    with pytest.raises(UserError, match="column 'probability_bad' holds string; expected probabilities"):
        stored(**by("good", "fair") | {"probability_bad": ["0.1", "much"]})


# --- what data_check says


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name.startswith("textssl")]


def test_leaks_are_told_at_construction_and_of_data_given_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    few, held_out = labeled(9, 1), labeled(12, 3)
    both = datasets.concatenate_datasets([few, held_out])
    trainer = uda(tmp_path, train_dataset=both, eval_dataset={"a": held_out, "b": labeled(6, 5)})
    told = [
        "eval_dataset['a']: 12 of 12 rows are also in train_dataset; the first is row 0, as row 9 of train_dataset. "
        "Scores on eval_dataset['a'] may be too high."
    ]
    assert said(caplog) == told
    trainer.train()
    trainer.evaluate()
    assert said(caplog) == told
    trainer.evaluate(few)
    trainer.predict(few)
    assert [line.split(";")[0] for line in said(caplog)[1:]] == [
        "eval_dataset: 9 of 9 rows are also in train_dataset",
        "test_dataset: 9 of 9 rows are also in train_dataset",
    ]
    with pytest.raises(UserError, match=r"eval_dataset: 12 of 12 rows are also in train_dataset"):
        uda(tmp_path, train_dataset=both, eval_dataset=held_out, args={"data_check": "strict"})
    with pytest.raises(UserError, match="data_check: got 'loud'; allowed: warn, strict, off"):
        uda(tmp_path, args={"data_check": "loud"})
    caplog.clear()
    uda(tmp_path, train_dataset=both, eval_dataset=held_out, args={"data_check": "off"}).evaluate(few)
    assert said(caplog) == []


def test_of_a_pair_both_texts_are_compared(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    few = tiny_pairs.dataset(9, 1)
    args = FixMatchConfig(str(tmp_path), use_cpu=True, report_to=[], max_length=16, **tiny_pairs.COLUMNS)
    first, second = (tiny_pairs.COLUMNS[name] for name in ("text_column", "text_pair_column"))
    other = few.select([0, 1]).remove_columns(second).add_column(second, [few[0][second], "w9 w9 w9"])
    changes = {"train_dataset": few, "eval_dataset": other.select_columns(few.column_names)}
    trainer = FixMatchTrainer(**tiny_pairs.problem() | changes, args=args)
    assert [line.split(";")[0] for line in said(caplog)] == ["eval_dataset: 1 of 2 rows are also in train_dataset"]
    assert trainer.held_out.quality.columns == [first, second]


def test_labels_with_spaces_are_stripped_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = table(text=texts(6, 1)[0], label=["tech ", "news", "Tech", "tech", "news ", "Tech"])
    trainer = uda(tmp_path, train_dataset=data)
    assert label_names(trainer.model.config) == ["Tech", "news", "tech"]
    assert trainer.train_dataset.labeled["label"][:] == [2, 1, 0, 2, 1, 0]
    assert said(caplog) == [
        "train_dataset: spaces around 2 labels of column 'label' are stripped; the first is 'tech ' in row 0.",
        "train_dataset: the classes 'Tech', 'tech' differ by case or spaces only; they are kept as 2 classes.",
    ]


def test_stages_of_a_run_do_not_say_it_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    many = datasets.concatenate_datasets([unlabeled(20), labeled(4, 3).remove_columns("label")])
    trainer = distillation(tmp_path, labeled(), many, eval_dataset=labeled(4, 3))
    trainer.train()
    assert len(said(caplog)) == 1
    assert "eval_dataset: 4 of 4 rows are also in unlabeled_dataset" in said(caplog)[0]
