"""How a model is run: dropout, replayed noise, statistics of batch norms, precision; and inputs without padding."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.contract.cases import build, first_batch, model, texts, tokenizer
from tests.methods.naive import ConvNet, row_logits
from textssl.forward.base import Forward
from textssl.forward.rows import FeatureBackend, ImageBackend
from textssl.modalities.text.backend import TextBackend
from textssl.modalities.text.encoding import TextEncoder


def images(rows: int, seed: int, stream: str = "labeled") -> dict[str, Any]:
    """Brighter for a larger seed, so that each view has statistics of its own."""
    pixels = torch.randn(rows, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) + seed
    return {"pixel_values": pixels, "lengths": [1] * rows, "stream": stream}


def runner(net: nn.Module, **settings: Any) -> Forward:
    return Forward(net, net, ImageBackend(), **settings)


def trained(seed: int = 0, dropout: float = 0.0) -> ConvNet:
    """In training mode, with running statistics that are not those of any view here."""
    net = ConvNet(seed, dropout).train()
    with torch.no_grad():
        net.norm.running_mean += 0.3
        net.norm.running_var *= 2
    return net


def statistics(net: ConvNet) -> list[Any]:
    return [net.norm.running_mean.tolist(), net.norm.running_var.tolist(), net.norm.num_batches_tracked.item()]


def plain(net: ConvNet, *views: dict[str, Any]) -> Tensor:
    """The model alone on all rows at once, in the mode that it is in; its statistics are kept."""
    with torch.no_grad():
        return copy.deepcopy(net)(torch.cat([view["pixel_values"] for view in views])).logits


def moved_by(net: ConvNet, *views: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Running statistics after one more pass on ``views``, by the rule of a momentum of 0.1."""
    with torch.no_grad():
        maps = net.conv(torch.cat([view["pixel_values"] for view in views])).transpose(0, 1).flatten(1)
        mean = 0.9 * net.norm.running_mean + 0.1 * maps.mean(1)
        return mean, 0.9 * net.norm.running_var + 0.1 * maps.var(1)


def test_rows_are_joined_taken_and_embedded_as_they_are() -> None:
    backend, a, b = ImageBackend(), images(2, 0), images(3, 1)
    joined = backend.join([a, b])
    assert backend.size(joined) == 5
    assert torch.equal(joined["pixel_values"], torch.cat([a["pixel_values"], b["pixel_values"]]))
    taken = backend.take(b, [2, 0])
    assert torch.equal(taken["pixel_values"], b["pixel_values"][[2, 0]])
    assert (taken["lengths"], taken["stream"]) == ([1, 1], "labeled")
    assert backend.take(b, [])["pixel_values"].shape == (0, 1, 8, 8)
    assert backend.embed(nn.Identity(), a) is a["pixel_values"]
    other = backend.from_embedding(a, 2 * a["pixel_values"])
    assert torch.equal(other["pixel_values"], 2 * a["pixel_values"])
    assert other["stream"] == "labeled"
    assert not torch.equal(a["pixel_values"], other["pixel_values"])
    assert backend.mask(a) is None
    assert backend.mixable(a, [1, 0]) is a
    assert set(backend.tensors(a)) == {"pixel_values"}


def test_logits_of_several_views_are_those_of_each_row_alone() -> None:
    net, views = trained().eval(), [images(2, 0), images(3, 1)]
    run = runner(net, pass_overhead=0)
    for logits, view in zip(run(*views, dropout=False), views, strict=True):
        torch.testing.assert_close(logits.tolist(), row_logits(net, view), atol=1e-5, rtol=1e-4)
    kept, nothing = run(views[0], run.take(views[1], []), dropout=False)
    assert (len(kept), nothing.shape) == (2, (0, 3))
    assert nothing.requires_grad


def test_features_are_rows_too() -> None:
    class Line(nn.Linear):
        def forward(self, features: Tensor) -> SimpleNamespace:
            return SimpleNamespace(logits=super().forward(features))

    net = Line(4, 2)
    view = {"features": torch.randn(5, 4), "lengths": [1] * 5}
    (logits,) = Forward(net, net, FeatureBackend())(view)
    torch.testing.assert_close(logits, view["features"] @ net.weight.T + net.bias)


def test_a_gradient_reaches_the_pixels() -> None:
    run, view = runner(trained()), images(3, 0)
    pixels = run.embed(view).clone().requires_grad_()
    (logits,) = run(run.take(run.from_embedding(view, pixels), [0, 2]), dropout=False)
    logits.square().sum().backward()
    assert (pixels.grad.abs().amax((1, 2, 3)) > 0).tolist() == [True, False, True]


def test_without_dropout_the_model_evaluates_and_with_it_it_trains() -> None:
    net, view = trained(), images(6, 1)
    run = runner(net)
    torch.testing.assert_close(run(view)[0].detach(), plain(trained(), view))
    expected = plain(net.eval(), view)
    torch.testing.assert_close(run(view, dropout=False)[0].detach(), expected)
    # Whatever the mode before; it is given back.
    assert not net.training
    assert not torch.allclose(run(view)[0], expected, atol=1e-3)
    assert not any(module.training for module in net.modules())


class Mask(nn.Module):
    """Logits that show which units dropout kept."""

    def __init__(self) -> None:
        super().__init__()
        self.drop = nn.Dropout(0.5)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, pixel_values: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.drop(self.scale.expand(len(pixel_values), 40)))


def test_noise_replays_dropout_for_inputs_of_equal_shape() -> None:
    run = runner(Mask())
    noise = run.noise()
    (first,) = run(images(4, 0))
    (other,) = run(images(4, 1))
    (again,) = run(images(4, 2), noise=noise)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    # Of another model as well, and more than once.
    assert torch.equal(run(images(4, 3), noise=noise, model=Mask())[0], first)


def test_a_replay_leaves_the_generator_as_it_was() -> None:
    """Also when the model raises. To ask for the noise draws nothing either."""
    run, refusing = runner(Mask()), nn.Linear(1, 1)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    noise = run.noise()
    run(images(4, 0), noise=noise)
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(5)
    with pytest.raises(TypeError):
        run(images(4, 0), noise=noise, model=refusing)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("overhead", [None, 0])
def test_noise_replays_in_several_passes_and_from_embeddings(overhead: int | None) -> None:
    """As a perturbation of the words needs it."""
    net = model(dropout=0.4).train()
    run = Forward(net, net, TextBackend(), pass_overhead=overhead)
    view = TextEncoder(tokenizer(), 16)(texts(6, seed=4)[0])
    noise = run.noise()
    (first,) = run(view)
    (again,) = run(run.from_embedding(view, run.embed(view)), noise=noise)
    torch.testing.assert_close(first, again)
    assert not torch.allclose(run(view)[0], first, atol=1e-3)


def test_one_pass_over_all_views_moves_the_statistics_once() -> None:
    net, views = trained(), [images(4, 0), images(8, 2, "unlabeled")]
    mean, variance = moved_by(net, *views)
    expected = plain(net, *views)
    logits = runner(net)(*views)
    torch.testing.assert_close(torch.cat(logits).detach(), expected)
    assert net.norm.num_batches_tracked.item() == 1
    torch.testing.assert_close(net.norm.running_mean, mean)
    torch.testing.assert_close(net.norm.running_var, variance)


@pytest.mark.parametrize("batch_norm", ["all", "labeled"])
def test_statistics_are_held_still_on_request(batch_norm: str) -> None:
    net, view = trained(), images(6, 1)
    before, expected = statistics(net), plain(net, view)
    (logits,) = runner(net, batch_norm=batch_norm)(view, statistics=False)
    # Normalised by the batch all the same.
    torch.testing.assert_close(logits.detach(), expected)
    assert statistics(net) == before
    assert net.norm.track_running_stats


@pytest.mark.parametrize("batch_norm", ["all", "labeled"])
@pytest.mark.parametrize("dropout", [True, False])
def test_another_model_never_moves_its_own(dropout: bool, batch_norm: str) -> None:
    student, teacher = trained(), trained(seed=1).eval()
    before = statistics(student), statistics(teacher)
    view = images(6, 1)
    (logits,) = runner(student, batch_norm=batch_norm)(view, model=teacher, dropout=dropout)
    assert (statistics(student), statistics(teacher)) == before
    torch.testing.assert_close(logits.detach(), plain(copy.deepcopy(teacher).train(dropout), view))
    assert not teacher.training


def test_evaluation_moves_nothing() -> None:
    net = trained()
    before = statistics(net)
    runner(net)(images(6, 1), dropout=False)
    assert statistics(net) == before
    assert net.training


def test_only_labeled_rows_move_the_statistics_where_asked() -> None:
    """The views of a stream that stand side by side share a pass; logits come back in the order of the views."""
    net = trained()
    views = [images(3, 0, "unlabeled"), images(4, 1), images(5, 2), images(6, 3, "unlabeled")]
    mean, variance = moved_by(net, views[1], views[2])
    expected = [plain(net, views[0]), plain(net, views[1], views[2]), plain(net, views[3])]
    rows: list[int] = []
    net.register_forward_hook(lambda module, args, out: rows.append(len(out.logits)))
    logits = runner(net, batch_norm="labeled")(*views)
    assert rows == [3, 9, 6]
    assert [len(part) for part in logits] == [3, 4, 5, 6]
    torch.testing.assert_close(torch.cat(logits).detach(), torch.cat(expected))
    assert net.norm.num_batches_tracked.item() == 1
    torch.testing.assert_close(net.norm.running_mean, mean)
    torch.testing.assert_close(net.norm.running_var, variance)


def test_views_without_rows_keep_their_place_where_streams_are_apart() -> None:
    net = trained()
    run = runner(net, batch_norm="labeled")
    empty = run.take(images(3, 0, "unlabeled"), [])
    a, nothing, b = run(images(4, 1), empty, images(5, 2))
    assert [len(part) for part in (a, nothing, b)] == [4, 0, 5]
    torch.testing.assert_close(torch.cat([a, b]).detach(), plain(trained(), images(4, 1), images(5, 2)))


def test_rows_taken_from_a_view_and_changed_pixels_stay_of_their_stream() -> None:
    net = trained()
    run = runner(net, batch_norm="labeled")
    before = statistics(net)
    view = images(6, 1, "unlabeled")
    run(run.take(view, [0, 1, 2]), run.from_embedding(view, 2 * run.embed(view)))
    assert statistics(net) == before


def test_gradients_are_those_of_each_stream_alone() -> None:
    views = [images(4, 1), images(8, 2, "unlabeled")]
    net = trained()
    sum(part.square().sum() for part in runner(net, batch_norm="labeled")(*views)).backward()
    alone = trained()
    for view in views:
        alone(view["pixel_values"]).logits.square().sum().backward()
    for p, q in zip(net.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)


def test_full_precision_leaves_mixed_precision_out() -> None:
    net, view = trained(), images(6, 1)
    run = runner(net, autocast=lambda: torch.autocast("cpu", torch.bfloat16))
    expected = plain(net, view)
    mixed, full = (run(view, full_precision=on)[0].detach() for on in (False, True))
    assert mixed.dtype == full.dtype == torch.float32
    assert torch.equal(full, expected)
    assert 0 < (mixed - expected).abs().max() < 0.2


def test_full_precision_holds_in_training_where_accelerate_patches_the_model(tmp_path: Path) -> None:
    trainer = build("supervised", tmp_path, "image", bf16=True, max_steps=1, save_strategy="no")
    score, seen = trainer.objective.loss, []

    def watched(forward: Forward, batch: dict[str, Any], progress: float) -> dict[str, Tensor]:
        view = batch["labeled"]["weak"]
        mixed, full = (forward(view, dropout=False, full_precision=on)[0].detach() for on in (False, True))
        own = type(forward.unwrapped).forward(forward.unwrapped.eval(), view["pixel_values"]).logits.detach()
        seen.append(((mixed - own).abs().max().item(), (full - own).abs().max().item()))
        return score(forward, batch, progress)

    trainer.objective.loss = watched
    trainer.train()
    ((mixed, full),) = seen
    assert mixed > 1e-4
    assert full == 0.0


def test_a_batch_says_of_which_stream_each_view_is(tmp_path: Path) -> None:
    for modality in ("text", "image"):
        batch = first_batch(build("pi_model", tmp_path, modality))
        for stream in ("labeled", "unlabeled"):
            assert {batch[stream][view]["stream"] for view in ("weak", "weak_2")} == {stream}
