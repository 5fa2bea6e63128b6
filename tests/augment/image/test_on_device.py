"""RandAugment on tensors is Pillow's to the last bit, and a trainer that uses it is the one that uses Pillow's."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from tests.contract import tiny_images
from tests.contract.cases import state_of
from textssl import FixMatchConfig, FixMatchTrainer, UserError
from textssl.augment import Chain, Identity
from textssl.augment.image import DeviceRandAugment, RandAugment, strong_view, weak_view
from textssl.augment.image.device_operations import NUMBERS, device_operation
from textssl.augment.image.operations import FIXMATCH, UDA
from textssl.augment.plans import PLAN, DeviceAugmentation
from textssl.modalities import ImageModality


OPERATIONS = {f"{table}-{name}": op for table, ops in (("f", FIXMATCH), ("u", UDA)) for name, op in ops.items()}
SIZES = [(16, 16), (23, 11), (2, 5)]
FILL = 127


def noise(count: int, mode: str = "RGB", size: tuple[int, int] = (16, 16)) -> list[Image.Image]:
    """Images of width and height ``size`` whose bands span different ranges; the first is of one value."""
    rng = np.random.default_rng(8)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    drawn = [np.full(shape, 200, np.uint8)]
    for i in range(1, count):
        drawn.append(rng.integers(i % 90, 256 - i % 70, shape, dtype=np.uint8))
    return [Image.fromarray(pixels) for pixels in drawn]


def levels(images: list[Image.Image]) -> torch.Tensor:
    """[B, C, H, W], 0 to 255."""
    rows = [np.asarray(image).reshape(image.height, image.width, -1).transpose(2, 0, 1) for image in images]
    return torch.from_numpy(np.stack(rows).astype(np.float32))


def bytes_of(pixels: torch.Tensor) -> np.ndarray:
    """What is in [0, 1], in steps of 1/255; it must be there but for a float's rounding."""
    scaled = pixels.double().numpy() * 255
    assert np.abs(scaled - np.round(scaled)).max() < 1e-4
    return np.round(scaled).astype(int)


def made(view: DeviceRandAugment, images: list[Image.Image], first_seed: int = 0) -> np.ndarray:
    examples = [view({"image": im}, np.random.default_rng(first_seed + i)) for i, im in enumerate(images)]
    pixels = levels([example["image"] for example in examples]) / 255
    return bytes_of(view.apply(pixels, [example[PLAN] for example in examples]))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_is_that_of_pillow_to_the_last_bit(name: str, mode: str) -> None:
    for size in SIZES:
        equals_pillow(name, size, mode)


def equals_pillow(name: str, size: tuple[int, int], mode: str) -> None:
    operation = OPERATIONS[name]
    images = noise(33, mode, size)
    # Round strengths bring ties, as UDA's magnitudes do.
    strengths = np.concatenate([np.arange(11) / 10, np.random.default_rng(1).random(22)])
    places = np.random.default_rng(2).random((33, 2))
    expected = [
        operation(image, s, (x, y), FILL) for image, s, (x, y) in zip(images, strengths, places.tolist(), strict=True)
    ]
    values = operation.weakest + strengths * (operation.strongest - operation.weakest)
    values = np.where(operation.signed & (places[:, 0] < 0.5), -values, values)
    way = device_operation(operation)
    numbers = np.zeros((33, NUMBERS))
    found = way.numbers(values, places, (size[1], size[0]))
    numbers[:, : found.shape[1]] = found
    given = levels(images)
    changed = way.change(given, torch.from_numpy(numbers), FILL)
    assert torch.equal(changed, levels(expected))
    assert torch.equal(given, levels(images))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("size", [(32, 32), (23, 11)])
@pytest.mark.parametrize(("operations", "magnitude"), [("fixmatch", None), ("uda", None), ("uda", 10)])
def test_the_view_is_strong_view_to_the_last_bit(
    operations: str, magnitude: int | None, size: tuple[int, int], mode: str
) -> None:
    images = noise(150, mode, size)
    settings: dict[str, Any] = {"n": 3, "magnitude": magnitude, "p": 0.8, "operations": operations, "cutout": 0.4}
    view = DeviceRandAugment(**settings, fill=9, weak=weak_view(flip=True))
    pillow = strong_view(flip=True, **settings, fill=9)
    expected = [pillow({"image": image}, np.random.default_rng(i))["image"] for i, image in enumerate(images)]
    assert np.array_equal(made(view, images), levels(expected).numpy())


@pytest.mark.parametrize("operations", [("rotate",), ("invert", "cutout", "solarize")])
def test_names_serve_as_for_randaugment(operations: tuple[str, ...]) -> None:
    images = noise(20)
    view = DeviceRandAugment(p=1.0, operations=operations, weak=Identity(), cutout=0)
    pillow = RandAugment(p=1.0, operations=operations)
    expected = [pillow({"image": image}, np.random.default_rng(i))["image"] for i, image in enumerate(images)]
    assert np.array_equal(made(view, images), levels(expected).numpy())


def test_a_row_depends_on_itself_alone() -> None:
    images = noise(64)
    view = DeviceRandAugment(p=0.7)
    whole = made(view, images)
    assert np.array_equal(np.concatenate([made(view, images[:5]), made(view, images[5:], first_seed=5)]), whole)
    for i in (0, 17, 63):
        assert np.array_equal(made(view, [images[i]], first_seed=i)[0], whole[i])
    assert len({row.tobytes() for row in whole}) == 64


def test_plans_differ_within_a_batch_of_one_image() -> None:
    images = noise(2)[1:] * 40
    assert len({row.tobytes() for row in made(DeviceRandAugment(p=1.0, weak=Identity(), cutout=0), images)}) > 35


def test_a_call_leaves_the_example_and_draws_a_plan_of_plain_numbers() -> None:
    given: dict[str, Any] = {"image": noise(2)[1], "label": 2}
    before = given["image"].tobytes()
    view = DeviceRandAugment(n=2)
    example = view(given, np.random.default_rng(3))
    assert given.keys() == {"image", "label"}
    assert given["image"].tobytes() == before
    # For each step an operation, its value and a place; and the place of the square.
    assert example[PLAN].shape == (2 * 4 + 2,)
    assert example[PLAN].dtype == np.float64
    assert example["image"].tobytes() == weak_view()(given, np.random.default_rng(3))["image"].tobytes()
    assert isinstance(view, DeviceAugmentation)
    assert not isinstance(RandAugment(), DeviceAugmentation)


def test_nothing_is_read_back_from_the_device() -> None:
    """A tensor without values has none to read."""
    view = DeviceRandAugment(p=1.0, n=4, operations=sorted({*FIXMATCH, *UDA}))
    plans = [view({"image": image}, np.random.default_rng(i))[PLAN] for i, image in enumerate(noise(90))]
    assert {int(plan[0]) for plan in plans} == set(range(16))
    changed = view.apply(torch.empty(90, 3, 16, 16, device="meta"), plans)
    assert changed.device.type == "meta"
    assert changed.shape == (90, 3, 16, 16)
    assert changed.dtype == torch.float32


def test_pixels_keep_no_gradient_and_stay_as_they_were() -> None:
    view = DeviceRandAugment(p=1.0)
    pixels = (levels(noise(8)) / 255).requires_grad_()
    before = pixels.detach().clone()
    plans = [view({"image": image}, np.random.default_rng(i))[PLAN] for i, image in enumerate(noise(8))]
    assert not view.apply(pixels, plans).requires_grad
    assert torch.equal(pixels, before)


def no_examples(examples: Any) -> dict[str, Any]:
    raise AssertionError("pixels are encoded already")


def trainer(out: Path, strong: Any, **settings: Any) -> FixMatchTrainer:
    config = FixMatchConfig(
        output_dir=str(out),
        max_steps=3,
        per_device_train_batch_size=4,
        mu=2,
        gradient_accumulation_steps=2,
        learning_rate=0.05,
        threshold=0.0,
        optim="sgd",
        use_cpu=True,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        **settings,
    )
    return FixMatchTrainer(
        tiny_images.model(),
        config,
        tiny_images.dataset(9, 1),
        tiny_images.dataset(40, 2, labels=False),
        tiny_images.dataset(12, 3),
        processing_class=tiny_images.processor(),
        augmentations={"strong": strong},
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_training_is_that_with_pillow_and_workers_change_nothing(tmp_path: Path) -> None:
    pillow = trainer(tmp_path / "a", strong_view())
    device = trainer(tmp_path / "b", DeviceRandAugment())
    shared = trainer(tmp_path / "c", DeviceRandAugment(), dataloader_num_workers=2)
    weak = trainer(tmp_path / "d", weak_view())
    for each in (pillow, device, shared, weak):
        each.train()
    states = [state_of(each) for each in (pillow, device, shared, weak)]
    for name, value in states[0].items():
        assert torch.allclose(states[1][name], value, atol=1e-5), name
    assert all(torch.equal(states[1][name], states[2][name]) for name in states[1])
    head = "model.classifier.weight"
    assert not torch.allclose(states[1][head], states[3][head], atol=1e-3)
    assert device.evaluate().keys() == pillow.evaluate().keys()


def test_batches_of_a_step_are_finished_and_have_no_plans(tmp_path: Path) -> None:
    runs = [trainer(tmp_path / str(i), strong) for i, strong in enumerate((strong_view(), DeviceRandAugment()))]
    loaders = [iter(run.get_train_dataloader()) for run in runs]
    unfinished = next(iter(runs[1].get_train_dataloader()))
    assert len(unfinished["unlabeled"]["strong"][PLAN]) == 8
    assert PLAN not in unfinished["unlabeled"]["weak"]
    pillow, device = (
        run.get_batch_samples(loader, 2, torch.device("cpu"))[0] for run, loader in zip(runs, loaders, strict=True)
    )
    assert runs[1].micro_batches == device
    for expected, batch in zip(pillow, device, strict=True):
        assert batch.keys() == expected.keys()
        for view in ("weak", "strong"):
            assert batch["unlabeled"][view].keys() == expected["unlabeled"][view].keys()
            got, wanted = (part["unlabeled"][view]["pixel_values"] for part in (batch, expected))
            # The processor's standard deviation is 0.25: a step of 8 bits is 0.0157.
            assert torch.allclose(got, wanted, atol=1e-5)
        assert torch.equal(batch["unlabeled"]["index"], expected["unlabeled"]["index"])


@pytest.mark.parametrize(
    "settings",
    [
        {"image_mean": [0.48, 0.45, 0.4], "image_std": [0.2, 0.25, 0.3]},
        {"do_normalize": False},
        {"do_rescale": False, "do_normalize": False},
        {"size": {"height": 24, "width": 40}},
    ],
)
def test_pixels_are_read_and_written_as_any_processor_does(settings: dict[str, Any]) -> None:
    processor = ViTImageProcessorPil(**{"size": {"height": 16, "width": 16}, **settings})
    modality = ImageModality(_three_channels(), processor)
    view = DeviceRandAugment(p=1.0, operations=["invert"], n=1, weak=Identity(), cutout=0)
    images = noise(4)
    resized = [image.resize((40, 24), Image.Resampling.BILINEAR) for image in images] if "size" in settings else images
    expected = processor([Image.fromarray(255 - np.asarray(image)) for image in resized], return_tensors="pt")
    inputs = modality.encoder(None)(images)  # type: ignore[arg-type]
    inputs[PLAN] = [view({"image": image}, np.random.default_rng(0))[PLAN] for image in images]
    batch = {"unlabeled": {"strong": inputs, "index": torch.arange(4)}}
    done = modality.on_device(batch, {"strong": view}, no_examples)["unlabeled"]["strong"]
    assert done.keys() == {"pixel_values", "lengths"}
    scale = 255 if settings.get("do_rescale") is False else 1
    assert torch.allclose(done["pixel_values"], expected["pixel_values"].float(), atol=1e-5 * scale)


def _three_channels() -> Any:
    network = tiny_images.model()
    network.config.num_channels = 3
    return network


def test_it_must_be_a_view_by_itself(tmp_path: Path) -> None:
    run = trainer(tmp_path, Chain([DeviceRandAugment()]))
    with pytest.raises(UserError, match=r"augmentations: got Chain for 'strong'.*DeviceRandAugment\(weak=\.\.\.\)"):
        run.train()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 0}, "n: got 0"),
        ({"magnitude": 11}, "magnitude: got 11"),
        ({"p": math.nan}, "p: got nan"),
        ({"operations": ["nothing"]}, "operations: got"),
        ({"cutout": 1.5}, "cutout: got 1.5"),
        ({"fill": 0.5}, "fill: got 0.5"),
    ],
)
def test_settings_that_cannot_work_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        DeviceRandAugment(**arguments)


def test_a_processor_that_bends_grays_is_refused() -> None:
    class Bent(ViTImageProcessorPil):
        def __call__(self, images: Any, *args: Any, **kwargs: Any) -> Any:
            made = super().__call__(images, *args, **kwargs)
            made["pixel_values"] = made["pixel_values"] ** 2
            return made

    modality = ImageModality(_three_channels(), Bent(size={"height": 16, "width": 16}))
    view = DeviceRandAugment()
    example = view({"image": noise(2)[1]}, np.random.default_rng(0))
    inputs = {"pixel_values": torch.zeros(1, 3, 16, 16), PLAN: [example[PLAN]]}
    with pytest.raises(UserError, match="processing_class: Bent makes no straight line"):
        modality.on_device({"unlabeled": {"strong": inputs, "index": torch.arange(1)}}, {"strong": view}, no_examples)
