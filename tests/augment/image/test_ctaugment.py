"""CTAugment is Pillow's operations, applied one by one at the drawn operation, bin, strength and place."""

from __future__ import annotations

import pickle
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from textssl.augment import Identity
from textssl.augment.image import CTAugment, Cutout, DeviceRandAugment, weak_view
from textssl.augment.image.operations import FIXMATCH, UDA
from textssl.augment.plans import PLAN, AdaptiveAugmentation, DeviceAugmentation, LateAugmentation
from textssl.errors import UserError


def noise(count: int, mode: str = "RGB", size: tuple[int, int] = (16, 16)) -> list[Image.Image]:
    rng = np.random.default_rng(8)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    return [Image.fromarray(rng.integers(i % 90, 256 - i % 70, shape, dtype=np.uint8)) for i in range(count)]


def levels(images: list[Image.Image]) -> torch.Tensor:
    rows = [np.asarray(image).reshape(image.height, image.width, -1).transpose(2, 0, 1) for image in images]
    return torch.from_numpy(np.stack(rows).astype(np.float32))


def planned(view: CTAugment, images: list[Image.Image]) -> tuple[list[Image.Image], list[np.ndarray]]:
    examples = [view({"image": image}, np.random.default_rng(i)) for i, image in enumerate(images)]
    return [example["image"] for example in examples], [example[PLAN] for example in examples]


def apply_plans(view: CTAugment, images: list[Image.Image]) -> torch.Tensor:
    weak, plans = planned(view, images)
    return (view.apply(levels(weak) / 255, plans) * 255).round()


def by_hand(
    image: Image.Image, seed: int, rates: list[list[float]] | None, bins: int, depth: int, cutout: float
) -> Image.Image:
    """The view of ``CTAugment(fill=9, weak=weak_view(flip=True))``, in words of the paper, with Pillow."""
    names = [*FIXMATCH, "invert", "cutout"]
    rng = np.random.default_rng(seed)
    image = weak_view(flip=True)({"image": image}, rng)["image"]
    numbers = iter(rng.random(depth * 5 + 2).tolist())
    for _ in range(depth):
        which, share, within, x, y = (next(numbers) for _ in range(5))
        number = int(which * len(names))
        operation = {**UDA, **FIXMATCH}[names[number]]
        size = bins if operation.weakest != operation.strongest else 1
        if rates is None:
            bin_ = int(share * size)
        else:
            values = [rate + 0.01 for rate in rates[number][:size]]
            kept = [value / max(values) if value / max(values) >= 0.8 else 0.0 for value in values]
            bin_ = 0
            while share * sum(kept) >= sum(kept[: bin_ + 1]):
                bin_ += 1
        image = operation(image, (bin_ + within) / size, (x, y), 9)
    square = type("", (), {"random": lambda self, n: np.array([next(numbers) for _ in range(n)])})()
    covered: Image.Image = Cutout(cutout, fill=9)({"image": image}, square)["image"] if cutout else image
    return covered


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize(("depth", "bins", "size"), [(2, 17, (32, 32)), (3, 5, (23, 11))])
def test_the_view_is_that_of_pillow_to_the_last_bit(mode: str, depth: int, bins: int, size: tuple[int, int]) -> None:
    images = noise(150, mode, size)
    view = CTAugment(depth, bins, cutout=0.4, fill=9, weak=weak_view(flip=True))
    # Rates in steps of .05, so that which bins the threshold cuts off is no matter of rounding.
    drawn = torch.randint(0, 21, view.rates.rates.shape, generator=torch.Generator().manual_seed(0)) / 20
    view.rates.rates.copy_(drawn * view.rates.present)
    expected = [by_hand(image, i, drawn.tolist(), bins, depth, 0.4) for i, image in enumerate(images)]
    assert torch.equal(apply_plans(view, images), levels(expected))


def test_a_probe_draws_all_bins_alike_and_covers_no_square() -> None:
    images = noise(150)
    view = CTAugment(fill=9, weak=weak_view(flip=True))
    view.rates.rates.mul_(torch.rand(view.rates.rates.shape, generator=torch.Generator().manual_seed(1)))
    probe = view.probe_copy()
    expected = [by_hand(image, i, None, 17, 2, 0.0) for i, image in enumerate(images)]
    assert torch.equal(apply_plans(probe, images), levels(expected))
    assert probe.rates is view.rates
    assert view.cutout == 0.5


def test_hits_are_the_operations_and_bins_of_a_probe() -> None:
    view = CTAugment(depth=3)
    probe = view.probe_copy()
    _, plans = planned(view, noise(400))
    for plan, hits in zip(plans, probe.hits(plans), strict=True):
        assert len(hits) == 3
        for (operation, bin_), draws in zip(hits, plan[:-2].reshape(3, 5), strict=True):
            assert operation == int(draws[0] * 16)
            assert bin_ == int(draws[1] * view.rates.sizes[operation])
    counts = Counter(hit for hits in probe.hits(plans) for hit in hits)
    # 1200 draws of 16 operations: all, and of a range of 17 bins nearly all.
    assert {operation for operation, _ in counts} == set(range(16))
    assert len(counts) > 150


def test_bins_whose_rate_is_low_are_never_applied() -> None:
    view = CTAugment(1, 2, operations=["solarize"], weak=Identity(), cutout=0)
    image = Image.new("L", (4, 4), 100)
    before = apply_plans(view, [image] * 200)
    view.rates.rates[0, 1] = 0.7
    after = apply_plans(view, [image] * 200)
    # Solarized from 256 (weakest) to 0: 100 is inverted by thresholds of the strong bin only.
    assert 40 < (before == 155).all((1, 2, 3)).sum() < 90
    assert (after == 100).all()


def test_operations_without_a_range_have_one_bin() -> None:
    view = CTAugment(bins=17)
    sizes = dict(zip(view.policy.names, view.rates.sizes, strict=True))
    single = {"autocontrast", "equalize", "identity", "invert"}
    assert {name for name, size in sizes.items() if size == 1} == single
    assert {size for name, size in sizes.items() if name not in single} == {17}
    assert len(sizes) == 16
    assert view.learned()["cutout"] == [1.0] * 17
    assert CTAugment(operations="uda").policy.names == tuple(UDA)
    assert CTAugment(operations=["rotate"]).learned() == {"rotate": [1.0] * 17}


def test_a_row_depends_on_itself_alone_and_training_pixels_keep_no_gradient() -> None:
    images = noise(40)
    view = CTAugment()
    weak, plans = planned(view, images)
    pixels = (levels(weak) / 255).requires_grad_()
    whole = view.apply(pixels, plans)
    assert not whole.requires_grad
    for i in (0, 13, 39):
        assert torch.equal(view.apply(pixels[i : i + 1], plans[i : i + 1])[0], whole[i])
    assert len({row.numpy().tobytes() for row in whole}) == 40


def test_a_call_leaves_the_example_and_draws_plain_numbers_whatever_the_rates() -> None:
    view = CTAugment(depth=2)
    given: dict[str, Any] = {"image": noise(1)[0], "label": 2}
    plan = view(given, np.random.default_rng(3))[PLAN]
    assert given.keys() == {"image", "label"}
    assert plan.shape == (2 * 5 + 2,)
    view.rates.rates.mul_(0.3)
    assert np.array_equal(view(given, np.random.default_rng(3))[PLAN], plan)
    assert np.array_equal(view.probe_copy()(given, np.random.default_rng(3))[PLAN], plan)
    assert np.array_equal(pickle.loads(pickle.dumps(view))(given, np.random.default_rng(3))[PLAN], plan)


def test_it_is_what_a_trainer_looks_for() -> None:
    view = CTAugment()
    for each in (view, view.probe_copy()):
        assert isinstance(each, DeviceAugmentation)
        assert isinstance(each, AdaptiveAugmentation)
        assert not isinstance(each, LateAugmentation)
    assert not isinstance(DeviceRandAugment(), AdaptiveAugmentation)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"depth": 0}, "depth: got 0; expected a whole number of 1 or more"),
        ({"bins": 0}, "bins: got 0; expected a whole number of 1 or more"),
        ({"decay": 1}, r"decay: got 1; expected a number in \[0, 1\)"),
        ({"threshold": 2}, r"threshold: got 2; expected a number in \[0, 1\]"),
        ({"operations": ["rotate", "blur"]}, r"operations: got \['blur'\]"),
        ({"cutout": -0.1}, "cutout: got -0.1"),
        ({"fill": 256}, "fill: got 256"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        CTAugment(**settings)
