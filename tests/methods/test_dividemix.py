"""DivideMix against a naive loop written from equations 2 to 11, at its limits, and through whole runs."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, pipeline

from tests.contract import tiny_features, tiny_images, tiny_texts
from tests.contract.cases import build, first_batch, state_of
from tests.methods.mixed import blend, coefficients, known_draws, mixed_logits, partners, rows_of
from tests.methods.naive import Row, cross_entropy, logits_of, row_logits, softmax, squared_error
from textssl import UserError
from textssl import functional as F
from textssl.methods.dividemix import DivideMixConfig, DivideMixTrainer
from textssl.methods.dividemix.loss_mixture import divide, normalized
from textssl.models.modeling_ensemble import Ensemble
from textssl.objective import Scores
from textssl.training.callbacks import StepCallback
from textssl.training.dataset_scores import score


CONTRACT_VARIANTS: list[dict[str, Any]] = [
    {"mix_at": "pooled", "loss_epochs": 2, "warm_start_steps": 1, "num_weak": 1, "warm_start_entropy": 0.5},
]
CONTRACT_IMAGE = {"warm_start_epochs": 1}
CONTRACT_DEFAULT = {"warm_start_epochs": 0.5}
CONTRACT_FIELDS = {
    "clean_threshold": (0.002, 0.5),
    "loss_epochs": (1, 3),
    "warm_start_entropy": (0.0, 0.5),
    "warm_start_epochs": (0.5, 1.0),
}


def made(tmp_path: Path, modality: str = "text", **settings: Any) -> Any:
    return build("dividemix", tmp_path, modality, **{"warm_start_steps": 1, **settings})


def terms(trainer: Any, batch: dict[str, Any], progress: float = 0.5) -> dict[str, torch.Tensor]:
    trainer.model.train()
    return trainer.objective.loss(trainer.forward_for(trainer.model), batch, progress)


def peer_of(modality: str) -> Any:
    tiny: Any = {"text": tiny_texts, "image": tiny_images, "features": tiny_features}[modality]
    torch.manual_seed(77)
    return type(tiny.model())(tiny.model().config)


def divided(trainer: Any, rows: list[list[float]]) -> None:
    """Give each network's division, of the nine labeled examples, by hand."""
    trainer.objective.labels.probs.copy_(torch.tensor(rows))


WAYS = [
    [0.9, 0.2, 0.8, 0.4, 0.7, 0.1, 0.6, 0.3, 0.95],
    [0.3, 0.8, 0.1, 0.9, 0.6, 0.7, 0.2, 0.85, 0.4],
]


def naive_targets(trainer: Any, batch: dict[str, Any], number: int, views: list[Any]) -> tuple[list[Row], list[bool]]:
    """Targets of network ``number`` and which rows are clean for it, one example at a time."""
    networks = [trainer.model, trainer.objective.peer]
    logits = [[logits_of(trainer, view, network) for view in views] for network in networks]
    targets, clean = [], []
    for b, (index, label) in enumerate(
        zip(batch["labeled"]["index"].tolist(), batch["labeled"]["labels"].tolist(), strict=True)
    ):
        means = []
        for each in logits:
            probs = [softmax(view[b]) for view in each]
            means.append([sum(p[c] for p in probs) / len(views) for c in range(3)])
        w = WAYS[1 - number][index]
        clean.append(w > 0.5)
        if w > 0.5:
            row = [w * (c == label) + (1 - w) * means[number][c] for c in range(3)]
        else:
            row = [(means[0][c] + means[1][c]) / 2 for c in range(3)]
        powers = [p**2 for p in row]
        targets.append([p / sum(powers) for p in powers])
    return targets, clean


def naive_terms(trainer: Any, batch: dict[str, Any], number: int, views: list[Any]) -> tuple[float, float, float]:
    """Labeled, unlabeled and prior term of one network."""
    targets, clean = naive_targets(trainer, batch, number, views)
    targets, clean = targets * len(views), clean * len(views)
    network = [trainer.model, trainer.objective.peer][number]
    rows, count = rows_of(*views), len(targets)
    labeled = unlabeled = 0.0
    mean = [0.0] * 3
    share = sum(w > 0.5 for w in WAYS[1 - number]) / 9
    coefficient = coefficients(1, True)[0]
    for i, j in enumerate(partners(count)):
        z = mixed_logits(network, rows[i], rows[j], coefficient)
        target = blend(targets[i], targets[j], coefficient)
        if clean[i]:
            labeled += sum(t * cross_entropy(z, c) for c, t in enumerate(target)) / (count * share)
        else:
            unlabeled += squared_error(softmax(z), target) / (count * (1 - share))
        mean = [m + p / count for m, p in zip(mean, softmax(z), strict=True)]
    return labeled, unlabeled, sum(np.log(1 / 3 / m) / 3 for m in mean)


@pytest.mark.parametrize("num_weak", [1, 2, 3])
@pytest.mark.parametrize("modality", ["text", "image", "features"])
def test_terms_equal_the_formula(
    modality: str, num_weak: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = made(tmp_path, modality, num_weak=num_weak, unlabeled_weight=7.0, rampup=0.4, prior_weight=0.5)
    # Networks that disagree, so that a division or a guess of the wrong one shows.
    trainer.objective.peer.load_state_dict(peer_of(modality).state_dict())
    divided(trainer, WAYS)
    batch = first_batch(trainer)
    views = [batch["labeled"][name] for name in ("weak", "weak_2", "weak_3")[:num_weak]]
    asked = known_draws(monkeypatch)
    got = terms(trainer, batch, 0.1)
    parts = [naive_terms(trainer, batch, number, views) for number in range(2)]
    supervised, unsupervised, prior = (sum(both) / 2 for both in zip(*parts, strict=True))
    assert got["supervised"].item() == pytest.approx(supervised, rel=1e-4)
    assert got["unsupervised"].item() == pytest.approx(unsupervised, rel=1e-3)
    assert got["prior"].item() == pytest.approx(prior, rel=1e-3, abs=1e-6)
    # A quarter of the ramp of 0.4; one coefficient for the batch of each network.
    assert got["weight"] == pytest.approx(7 / 4)
    expected = 2 * (supervised + 7 / 4 * unsupervised + 0.5 * prior)
    assert got["loss"].item() == pytest.approx(expected, rel=1e-4)
    assert asked == [(4.0, 1, True)] * 2


@pytest.mark.parametrize("target_dropout", [True, False])
def test_a_network_guesses_for_itself_with_dropout_and_for_the_other_without(
    target_dropout: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the authors' loop: ``net.train()`` and ``net2.eval()`` while the first is trained."""
    trainer = made(tmp_path, "features", dropout=0.5, target_dropout=target_dropout)
    divided(trainer, WAYS)
    batch, networks = first_batch(trainer), trainer.objective.networks(trainer.model)
    views, dropped, given = [batch["labeled"]["weak"], batch["labeled"]["weak_2"]], [[], []], []

    def watch(module: Any, args: Any, out: Any) -> None:
        if module.training and not out.logits.requires_grad:
            dropped[networks.index(module)].append(out.logits.softmax(-1))

    watching = [network.register_forward_hook(watch) for network in networks]
    targets = trainer.objective._targets
    monkeypatch.setattr(trainer.objective, "_targets", lambda *args: given.append(args[3:]) or targets(*args))
    terms(trainer, batch)
    for hook in watching:
        hook.remove()
    still = []
    for network in networks:
        network.eval()
        still.append(sum(torch.tensor([softmax(z) for z in row_logits(network, view)]) for view in views) / 2)
    # The second network is trained first.
    for number, (own, guesses) in zip((1, 0), given, strict=True):
        if target_dropout:
            expected = torch.cat(dropped[number]).view(2, 4, 3).mean(0)
            assert not torch.allclose(expected, still[number], atol=1e-2)
        else:
            assert not dropped[number]
            expected = still[number]
        torch.testing.assert_close(own, expected, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(guesses, (expected + still[1 - number]) / 2, atol=1e-5, rtol=1e-4)


def test_a_network_learns_by_the_division_of_the_other(tmp_path: Path) -> None:
    """Its own has no part in its loss; the other's has."""
    trainer = made(tmp_path, "features", unlabeled_weight=5.0, rampup=0.0)
    batch = first_batch(trainer)
    gradients = []
    for rows in (WAYS, [WAYS[0], [1.0] * 9], [[1.0] * 9, WAYS[1]]):
        divided(trainer, rows)
        trainer.model.zero_grad()
        trainer.objective.zero_grad()
        torch.manual_seed(0)
        terms(trainer, batch)["loss"].backward()
        gradients.append([n.head.weight.grad.clone() for n in trainer.objective.networks(trainer.model)])
    (first, second), (other_changed, own_kept), (own_changed, other_kept) = gradients
    assert not torch.equal(first, other_changed)
    assert torch.equal(second, own_kept)
    assert torch.equal(first, own_changed)
    assert not torch.equal(second, other_kept)


def test_gradients_reach_both_whole_networks_from_each_term(tmp_path: Path) -> None:
    trainer = made(tmp_path)
    divided(trainer, WAYS)
    labeled = first_batch(trainer)["labeled"]
    views, forward = [labeled["weak"], labeled["weak_2"]], trainer.forward_for(trainer.model)
    rows, guesses = torch.tensor([1.0, 0.0, 0.0, 1.0]), torch.tensor([[0.7, 0.2, 0.1]]).expand(4, 3)
    for number, network in enumerate(trainer.objective.networks(trainer.model)):
        got = trainer.objective._mixed_terms(
            forward.of(network), views, rows, guesses, trainer.objective.labels.passed(1 - number)
        )
        for term in ("supervised", "unsupervised", "prior"):
            network.zero_grad()
            got[term].backward(retain_graph=True)
            for name, parameter in network.named_parameters():
                if not name.endswith("key.bias"):
                    assert parameter.grad is not None, name
                    assert parameter.grad.abs().sum() > 0, name


def test_no_gradient_comes_through_targets(tmp_path: Path) -> None:
    """All examples clean by A's division, noisy by B's: neither network's loss has a gradient for the other."""
    trainer = made(tmp_path, "features", rampup=0.0)
    divided(trainer, [[1.0] * 9, [0.1] * 8 + [0.9]])
    first, second = trainer.objective.networks(trainer.model)
    second.requires_grad_(False)
    terms(trainer, first_batch(trainer))["loss"].backward()
    assert first.head.weight.grad.abs().sum() > 0
    assert second.head.weight.grad is None


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_gradients_that_are_taken_early_are_those_of_one_graph(scale: float, tmp_path: Path) -> None:
    """Whatever the loss is scaled by afterwards, as by accumulation."""
    trainer = made(tmp_path)
    divided(trainer, WAYS)
    batch, found = first_batch(trainer), []
    for checkpointing in (False, True):
        trainer.objective.config.gradient_checkpointing = checkpointing
        assert trainer.objective.can_backward_now is not checkpointing
        torch.manual_seed(5)
        loss = terms(trainer, batch)["loss"] * scale
        networks = trainer.objective.networks(trainer.model)
        for network in networks:
            network.zero_grad()
        loss.backward()
        found.append([p.grad for network in networks for p in network.parameters()])
    for early, late in zip(*found, strict=True):
        torch.testing.assert_close(early, late)


def test_with_a_sure_division_and_no_mixing_it_is_cross_entropy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = made(tmp_path, "features", prior_weight=0.0)
    monkeypatch.setattr("textssl.functional.mixup_coefficients", lambda alpha, size, fold: torch.ones(size))
    batch = first_batch(trainer)
    got = terms(trainer, batch)
    expected = 0.0
    for network in trainer.objective.networks(trainer.model):
        for view in ("weak", "weak_2"):
            logits = row_logits(network, batch["labeled"][view])
            labels = batch["labeled"]["labels"].tolist()
            losses = [cross_entropy(z, y) for z, y in zip(logits, labels, strict=True)]
            expected += sum(losses) / len(losses) / 2
    assert got["loss"].item() == pytest.approx(expected, rel=1e-4)
    assert got["unsupervised"].item() == 0


def test_where_no_label_passes_all_are_used_as_far_as_they_are_likely(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = made(tmp_path, "features")
    divided(trainer, [[0.3] * 9, [0.0] * 9])
    got = terms(trainer, first_batch(trainer))
    assert got["clean"] == 1
    assert torch.isfinite(got["loss"])
    assert got["unsupervised"] == 0
    with caplog.at_level(logging.WARNING):
        # The division of equal losses calls all clean, so nothing is told; a stricter threshold would.
        trainer.objective.labels.threshold = 1.0
        trainer.objective.before_epoch(score(trainer), 0.5)
    assert "no label passes clean_threshold" in caplog.text


def test_the_penalty_is_the_papers() -> None:
    """A mean prediction of (.9, .1) against a uniform prior costs .51083."""
    logits = torch.tensor([[0.9, 0.1]]).log()
    assert F.prior_divergence(logits, torch.tensor([0.5, 0.5])).item() == pytest.approx(0.51083, abs=1e-5)


def test_until_the_division_each_network_learns_all_labels_from_a_view_of_its_own(tmp_path: Path) -> None:
    trainer = made(tmp_path, warm_start_entropy=0.3)
    batch = first_batch(trainer)
    trainer.model.train()
    got = trainer.objective.warm_start_loss(trainer.forward_for(trainer.model), batch, 0.0)
    labels = batch["labeled"]["labels"].tolist()
    loss = 0.0
    for network, view in zip(trainer.objective.networks(trainer.model), ("weak", "weak_2"), strict=True):
        logits = row_logits(network, batch["labeled"][view])
        probs = [softmax(z) for z in logits]
        loss += sum(cross_entropy(z, y) for z, y in zip(logits, labels, strict=True)) / len(labels)
        loss += 0.3 * sum(p * np.log(p) for row in probs for p in row) / len(labels)
    assert got["loss"].item() == pytest.approx(loss, rel=1e-4)


def test_a_fine_tuning_moves_both_networks_as_long_as_it_lasts(tmp_path: Path) -> None:
    trainer = made(tmp_path, "features", max_steps=6, finetune_steps=3, save_steps=1)
    trainer.train()
    weights = [load_file(tmp_path / f"checkpoint-{step}" / "objective.safetensors") for step in (5, 6)]
    assert not torch.equal(*[state["peer.head.weight"] for state in weights])
    assert torch.equal(*[state["labels.probs"] for state in weights])


def test_examples_are_divided_by_the_losses_of_each_network(tmp_path: Path) -> None:
    """In evaluation mode, by way of the trainer; probabilities are those of a fit to losses taken one by one."""
    trainer = made(tmp_path, "features", dropout=0.5)
    scores = score(trainer)
    assert scores.labeled.shape == (2, 9)
    assert not torch.equal(scores.labeled[0], scores.labeled[1])
    trainer.objective.before_epoch(scores, 0.0)
    data = trainer.train_dataset.labeled
    for number, network in enumerate(trainer.objective.networks(trainer.model)):
        network.eval()
        losses = np.array(
            [
                cross_entropy(network(features=torch.tensor([row["features"]])).logits[0].tolist(), row["label"])
                for row in data
            ]
        )
        expected = divide(losses)
        assert trainer.objective.labels.probs[number].tolist() == pytest.approx(expected.probs.tolist(), abs=1e-4)
        assert trainer.objective.labels.mixtures[number, 0].tolist() == pytest.approx(
            expected.means.tolist(), abs=1e-4
        )
    assert trainer.clean_probability().tolist() == pytest.approx(trainer.objective.labels.probs.mean(0).tolist())


def test_losses_of_several_epochs_are_averaged(tmp_path: Path) -> None:
    trainer = made(tmp_path, "features", loss_epochs=2)
    rng, labels = np.random.default_rng(0), torch.zeros(9, dtype=torch.long)
    epochs = [rng.gamma(1.0, size=(2, 9)) for _ in range(4)]
    for losses in epochs:
        trainer.objective.before_epoch(Scores(torch.tensor(losses), torch.empty(2, 0), labels), 0.5)
    for number in range(2):
        mean = (normalized(epochs[2][number]) + normalized(epochs[3][number])) / 2
        expected = divide(mean).probs.tolist()
        assert trainer.objective.labels.probs[number].tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_a_resume_within_an_epoch_fits_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"save_steps": 1, "max_steps": 6, "per_device_train_batch_size": 3, "warm_start_steps": 1}
    whole = made(tmp_path / "a", **settings)
    whole.train()
    fits = []
    original = DivideMixTrainer.objective_class.before_epoch
    monkeypatch.setattr(
        DivideMixTrainer.objective_class,
        "before_epoch",
        lambda self, scores, progress: (fits.append(progress), original(self, scores, progress))[1],
    )
    # Epochs of three steps: step 4 and 5 lie within the second, step 3 is its beginning.
    for step, expected in ((5, 0), (4, 0), (3, 1)):
        fits.clear()
        resumed = made(tmp_path / str(step), **settings)
        resumed.train(resume_from_checkpoint=str(tmp_path / "a" / f"checkpoint-{step}"))
        assert len(fits) == expected
        a, b = state_of(whole), state_of(resumed)
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_both_networks_are_moved_by_one_rule_and_clipped_each_by_itself(tmp_path: Path) -> None:
    """As two trainers would: the same weight decay, and a norm of its own for each."""
    trainer = made(tmp_path, "features", max_grad_norm=1e-3, weight_decay=0.1, max_steps=3)
    trainer.train()
    groups = trainer.optimizer.param_groups
    decayed = {id(p) for group in groups if group["weight_decay"] == 0.1 for p in group["params"]}
    moved = {id(p) for group in groups for p in group["params"]}
    norms = []
    for network in trainer.objective.networks(trainer.model):
        assert {id(p) for p in network.parameters()} <= moved
        assert {id(p) for n, p in network.named_parameters() if n.endswith("weight")} <= decayed
        assert not {id(p) for n, p in network.named_parameters() if n.endswith("bias")} & decayed
    hook = next(c for c in trainer.callback_handler.callbacks if isinstance(c, StepCallback))
    torch.manual_seed(0)
    terms(trainer, first_batch(trainer))["loss"].backward()
    hook.on_pre_optimizer_step(trainer.args, trainer.state, trainer.control)
    for network in trainer.objective.networks(trainer.model)[1:]:
        norms.append(torch.stack([p.grad.norm() for p in network.parameters()]).norm().item())
    assert norms == [pytest.approx(1e-3, rel=1e-3)]


@pytest.mark.slow
@pytest.mark.parametrize("modality", ["text", "image", "features"])
def test_both_networks_are_evaluated_and_saved_as_one_model(modality: str, tmp_path: Path) -> None:
    trainer = made(tmp_path / "run", modality, dropout=0.3)
    trainer.train()
    batch = first_batch(trainer)["labeled"]["weak"]
    networks = trainer.objective.networks(trainer.model)
    for network in networks:
        network.eval()
    a, b = (torch.tensor(row_logits(network, batch)) for network in networks)
    got = torch.tensor(row_logits(trainer.evaluated_model, batch))
    torch.testing.assert_close(got, (a + b) / 2)
    predicted = trainer.predict(trainer.train_dataset.labeled).predictions
    trainer.save_model()
    again = Ensemble.from_pretrained(tmp_path / "run")
    torch.testing.assert_close(torch.tensor(row_logits(again.eval(), batch)), got, atol=1e-6, rtol=1e-6)
    assert again.config.num_labels == 3
    assert len(predicted) == 9


def test_a_pipeline_loads_what_was_saved(tmp_path: Path) -> None:
    trainer = made(tmp_path / "run")
    trainer.train()
    trainer.save_model()
    classify = pipeline("text-classification", model=str(tmp_path / "run"), device="cpu")
    (answer,) = classify(trainer.train_dataset.labeled[0]["text"])
    trainer.create_model_card()
    assert "import textssl.models" in (tmp_path / "run" / "README.md").read_text()
    logits = trainer.predict(trainer.train_dataset.labeled.select([0])).predictions[0]
    assert answer["score"] == pytest.approx(max(softmax(logits.tolist())), abs=1e-5)


def test_the_first_network_alone_is_saved_as_any_model(tmp_path: Path) -> None:
    trainer = made(tmp_path / "run", ensemble=False)
    trainer.train()
    assert trainer.evaluated_model is trainer.model
    trainer.save_model()
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run")
    assert type(again).__name__ == "BertForSequenceClassification"


def test_the_second_network_starts_elsewhere(tmp_path: Path) -> None:
    """With two equal networks one would confirm the other's mistakes."""
    trainer = made(tmp_path)
    first, second = trainer.objective.networks(trainer.model)
    assert not torch.equal(first.classifier.weight, second.classifier.weight)
    assert all(torch.equal(p, q) for p, q in zip(first.bert.parameters(), second.bert.parameters(), strict=True))
    # Not even where the seed of its head is that of the first one's.
    torch.manual_seed(42)
    again = tiny_texts.model()
    assert not torch.equal(again.classifier.weight, second.classifier.weight)
    given = peer_of("text")
    trainer = DivideMixTrainer(
        tiny_texts.model(),
        _config(tmp_path),
        tiny_texts.labeled(),
        processing_class=tiny_texts.tokenizer(),
        peer=given,
    )
    assert trainer.objective.peer is given


def _config(tmp_path: Path, **settings: Any) -> DivideMixConfig:
    known = {"max_steps": 10, "use_cpu": True, "report_to": [], "max_length": 16, "per_device_train_batch_size": 4}
    return DivideMixConfig(output_dir=str(tmp_path), **{**known, **settings})


def test_a_peer_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    tokenizer, data = tiny_texts.tokenizer(), tiny_texts.labeled()

    def attempt(peer: Any, **settings: Any) -> None:
        DivideMixTrainer(
            tiny_texts.model(), _config(tmp_path), data, processing_class=tokenizer, peer=peer, **settings
        )

    named = peer_of("text")
    named.config.id2label = {0: "x", 1: "y", 2: "z"}
    with pytest.raises(UserError, match="peer: its labels are x, y, z; those of the model are"):
        attempt(named)
    small = tiny_texts.model()
    small.resize_token_embeddings(len(tokenizer) - 2)
    with pytest.raises(UserError, match=r"peer: it knows \d+ tokens; the tokenizer of the model has \d+"):
        attempt(small)
    with pytest.raises(UserError, match=r"peer: .* takes 'pixel_values', not 'input_ids'"):
        attempt(tiny_images.model())
    short = type(small)(copy.deepcopy(small.config))
    short.config.max_position_embeddings, short.config.vocab_size = 8, len(tokenizer)
    with pytest.raises(UserError, match="peer: it takes 8 tokens; max_length is 16"):
        attempt(type(small)(short.config))
    other = copy.deepcopy(tokenizer)
    other.add_tokens(["another"])
    with pytest.raises(UserError, match="peer: its tokenizer is another than the model's"):
        attempt(peer_of("text"), peer_processing_class=other)


def test_a_peer_of_other_features_and_the_model_itself_are_refused(tmp_path: Path) -> None:
    model, data = tiny_features.model(), tiny_features.dataset(9, 1)
    wide = type(model)(type(model.config)(input_size=7, num_labels=3))
    config = DivideMixConfig(output_dir=str(tmp_path), max_steps=10, use_cpu=True, warm_start_steps=1)
    with pytest.raises(UserError, match=r"peer: its input_size is 7; that of the model is \d+"):
        DivideMixTrainer(model, config, data, peer=wide)
    with pytest.raises(UserError, match="peer: got the model itself"):
        DivideMixTrainer(model, config, data, peer=model)


def test_a_warm_up_is_shorter_than_training(tmp_path: Path) -> None:
    # Nine examples in batches of four: three steps an epoch.
    assert build("dividemix", tmp_path, max_steps=10, warm_start_epochs=2.0).args.warm_start_steps == 6
    assert build("dividemix", tmp_path, max_steps=10, warm_start_steps=1).args.warm_start_steps == 1
    told = "warm_start_epochs: got 2.0, which is 6 steps of batches of 4; expected fewer than the 6 steps of training"
    with pytest.raises(UserError, match=told):
        build("dividemix", tmp_path, max_steps=6, warm_start_epochs=2.0)
    with pytest.raises(UserError, match=told):
        build("dividemix", tmp_path, max_steps=-1, num_train_epochs=2, warm_start_epochs=2.0)
    with pytest.raises(UserError, match="warm_start_steps"):
        build("dividemix", tmp_path, max_steps=4, warm_start_steps=4)


def test_nothing_is_known_of_labels_before_the_first_division(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="clean_probability: the examples have not been divided yet"):
        made(tmp_path).clean_probability()


def test_defaults_are_the_papers(tmp_path: Path) -> None:
    image = build("dividemix", tmp_path, "image", warm_start_steps=1)
    args = image.args
    assert (args.num_weak, args.temperature, args.alpha, args.clean_threshold) == (2, 0.5, 4.0, 0.5)
    assert (args.warm_start_epochs, args.prior_weight, args.per_example, args.ensemble) == (10.0, 1.0, False, True)
    assert image.objective.full_weight == 25.0
    assert made(tmp_path).objective.full_weight == 3.0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_weak", 0),
        ("loss_epochs", 0),
        ("alpha", 0.0),
        ("temperature", 0.0),
        ("unlabeled_weight", -1.0),
        ("prior_weight", -1.0),
        ("rampup", 2.0),
        ("clean_threshold", 1.0),
        ("warm_start_epochs", -1.0),
        ("warm_start_entropy", -1.0),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{field}: got {value!r}"):
        made(tmp_path, **{field: value})
