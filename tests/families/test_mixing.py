"""How pairs and coefficients are drawn, and the settings of methods that mix."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.forward.tiny_models import tiny, tiny_vit
from textssl import UserError
from textssl.families.mixing import Mixer, MixingConfig, check_distribution
from textssl.forward.backend import Backend
from textssl.forward.mix import Mix
from textssl.forward.rows import FeatureBackend, ImageBackend
from textssl.modalities.text.backend import TextBackend
from textssl.models.modeling_feature_classifier import FeatureClassifier, FeatureClassifierConfig


CPU = torch.device("cpu")
# Newer releases of transformers name it otherwise.
NAMES = {f.name for f in fields(MixingConfig)}
CHECKPOINTING = "activation_checkpointing" if "activation_checkpointing" in NAMES else "gradient_checkpointing"


def mixer(folder: Path, fold: bool = False, **settings: Any) -> Mixer:
    return Mixer(MixingConfig(output_dir=str(folder), **{"alpha": 0.75, "mix_at": "input", **settings}), fold)


def features() -> nn.Module:
    return FeatureClassifier(FeatureClassifierConfig(input_size=6, num_labels=3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": 0.0}, "alpha: got 0.0"),
        ({"alpha": -1.0}, "alpha: got -1.0"),
        ({"mix_at": "words"}, "mix_at: got 'words'.*input, hidden, pooled"),
        ({"mix_layers": []}, "mix_layers: got none; expected at least one number of a hidden layer"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        MixingConfig(output_dir=str(tmp_path), **settings)


@pytest.mark.parametrize("at", ["input", "pooled"])
def test_layers_are_only_for_the_hidden_place(at: str, tmp_path: Path) -> None:
    given = mixer(tmp_path, mix_at=at, mix_layers=[2])
    with pytest.raises(UserError, match=rf"^mix_layers: got \[2\]; mix_at is '{at}', not 'hidden'"):
        given.check(TextBackend(), tiny("bert"))


@pytest.mark.parametrize(
    ("depth", "layers"), [(1, [1]), (2, [2]), (3, [2, 3]), (6, [4, 5, 6]), (12, [7, 9, 12]), (24, [14, 18, 24])]
)
def test_layers_are_those_of_the_authors_scaled_to_the_depth(depth: int, layers: list[int], tmp_path: Path) -> None:
    given = mixer(tmp_path, mix_at="hidden")
    given.check(TextBackend(), tiny("bert", num_hidden_layers=depth))
    assert given.layers == layers
    torch.manual_seed(0)
    assert sorted({given.draw([2], CPU).at for _ in range(60)}) == layers


def test_layers_given_are_drawn_alike_often(tmp_path: Path) -> None:
    given = mixer(tmp_path, mix_at="hidden", mix_layers=[1, 3])
    given.check(ImageBackend(), tiny_vit())
    torch.manual_seed(0)
    drawn = [given.draw([2], CPU).at for _ in range(400)]
    assert set(drawn) == {1, 3}
    # Four standard deviations of a fair coin.
    assert abs(drawn.count(1) - 200) < 40


@pytest.mark.parametrize(
    ("backend", "net", "settings", "message"),
    [
        (FeatureBackend(), features, {}, "^mix_at: got 'hidden'; FeatureClassifier has no hidden layers"),
        (TextBackend(), lambda: tiny("bert"), {"mix_layers": [2, 5]}, "^mix_layers: got 5; expected .* from 1 to 3"),
        (TextBackend(), lambda: tiny("bert"), {CHECKPOINTING: True}, "^gradient_checkpointing: got True"),
    ],
)
def test_models_that_cannot_be_mixed_inside_are_refused(
    backend: Backend, net: Any, settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        mixer(tmp_path, mix_at="hidden", **settings).check(backend, net())


def test_a_model_without_embeddings_as_input_is_refused_for_the_input_only(tmp_path: Path) -> None:
    class Ids(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = tiny("bert")

        def get_input_embeddings(self) -> nn.Module:
            return self.net.get_input_embeddings()

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
            return self.net(input_ids=input_ids, attention_mask=attention_mask)

    with pytest.raises(UserError, match=r"^model: Ids takes no inputs_embeds"):
        mixer(tmp_path).check(TextBackend(), Ids())
    given = mixer(tmp_path, mix_at="pooled")
    given.check(TextBackend(), Ids())
    assert given.draw([3], CPU).at == "pooled"


def draws(given: Mixer, sizes: list[int], count: int = 300) -> list[Mix]:
    torch.manual_seed(0)
    return [given.draw(sizes, CPU) for _ in range(count)]


def test_partners_stay_in_their_group_and_are_a_permutation_of_it(tmp_path: Path) -> None:
    seen = set()
    for mix in draws(mixer(tmp_path), [4, 3]):
        assert sorted(mix.partners[:4]) == [0, 1, 2, 3]
        assert sorted(mix.partners[4:]) == [4, 5, 6]
        assert mix.index.tolist() == mix.partners
        seen |= set(enumerate(mix.partners))
    # Every pair of a group comes up, a row with itself as well.
    assert len(seen) == 4 * 4 + 3 * 3
    together = {pair for mix in draws(mixer(tmp_path), [7]) for pair in enumerate(mix.partners)}
    assert len(together) == 7 * 7


@pytest.mark.parametrize("sizes", [[0, 3], [3, 0], [1]])
def test_small_groups_are_drawn_too(sizes: list[int], tmp_path: Path) -> None:
    mix = mixer(tmp_path).draw(sizes, CPU)
    assert sorted(mix.partners) == list(range(sum(sizes)))
    assert mix.coefficients.shape == (sum(sizes),)


def test_one_coefficient_for_the_batch_or_one_for_each_example(tmp_path: Path) -> None:
    for mix in draws(mixer(tmp_path), [4, 3], 20):
        assert mix.coefficients.unique().numel() == 1
    for mix in draws(mixer(tmp_path, per_example=True), [4, 3], 20):
        assert mix.coefficients.unique().numel() == 7
        assert mix.coefficients.dtype == torch.float32


@pytest.mark.parametrize("per_example", [False, True])
def test_folded_coefficients_are_a_half_or_more(per_example: bool, tmp_path: Path) -> None:
    folded, plain = (
        torch.cat([mix.coefficients for mix in draws(mixer(tmp_path, fold, per_example=per_example), [4, 3])])
        for fold in (True, False)
    )
    assert folded.min() >= 0.5
    assert plain.min() < 0.2
    assert torch.equal(folded, torch.maximum(plain, 1 - plain))


@pytest.mark.parametrize(("alpha", "variance"), [(0.75, 0.1), (16.0, 1 / 132)])
def test_coefficients_follow_the_beta_distribution(alpha: float, variance: float, tmp_path: Path) -> None:
    """Of Beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1))."""
    drawn = torch.cat([mix.coefficients for mix in draws(mixer(tmp_path, alpha=alpha, per_example=True), [64], 100)])
    assert drawn.mean().item() == pytest.approx(0.5, abs=0.02)
    assert drawn.var().item() == pytest.approx(variance, rel=0.05)


def test_draws_come_from_the_generator_of_the_host(tmp_path: Path) -> None:
    given = mixer(tmp_path)
    first, again = (draws(given, [16], 1)[0] for _ in range(2))
    assert first.partners == again.partners
    assert torch.equal(first.coefficients, again.coefficients)
    other = given.draw([16], CPU)
    assert other.partners != first.partners


def test_a_mix_blends_each_row_with_its_partner() -> None:
    mix = Mix([1, 0], torch.tensor([1, 0]), torch.tensor([0.75, 0.5]))
    assert mix.at == "input"
    assert mix(torch.tensor([[4.0, 0.0], [0.0, 8.0]])).tolist() == [[3.0, 2.0], [2.0, 4.0]]


@pytest.mark.parametrize("given", [(0.9, 0.1), [0.0, 1.0], (0.5, 0.5 + 1e-7)])
def test_distributions_that_are_some(given: Any) -> None:
    assert check_distribution("prior", given, 2) == tuple(given)


def test_the_distribution_not_given_is_uniform() -> None:
    assert check_distribution("prior", None, 4) == (0.25, 0.25, 0.25, 0.25)


@pytest.mark.parametrize("given", [(1.0,), (0.5, 0.25, 0.25), (1.5, -0.5), (0.5, 0.4), (0.5, float("nan")), ()])
def test_distributions_that_are_none(given: Any) -> None:
    with pytest.raises(UserError, match=r"^prior: got \[.*\]; expected 2 shares, one per class, of 0 or more"):
        check_distribution("prior", given, 2)
