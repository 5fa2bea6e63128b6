"""The encoder gives what the image processor gives, bit for bit, whichever way it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.image_utils import load_image
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
from transformers.models.efficientnet.image_processing_pil_efficientnet import EfficientNetImageProcessorPil
from transformers.models.glpn.image_processing_pil_glpn import GLPNImageProcessorPil
from transformers.models.mobilevit.image_processing_pil_mobilevit import MobileViTImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from textssl import UserError
from textssl.modalities.image.encoding import ImageEncoder


SQUARE = {"height": 20, "width": 20}
ONE: dict[str, Any] = {"image_mean": [0.13], "image_std": [0.31]}
# Processor, mode, height and width of every row, and whether pixels of the right size are merely looked up.
CASES: dict[str, tuple[Any, Any, tuple[int, int] | None, bool]] = {
    "vit": (ViTImageProcessorPil(size=SQUARE), "RGB", (20, 20), True),
    "vit, oblong": (ViTImageProcessorPil(size={"height": 12, "width": 20}), "RGB", (12, 20), True),
    "vit, tiny": (ViTImageProcessorPil(size={"height": 3, "width": 5}), "RGB", (3, 5), True),
    "vit, gray": (ViTImageProcessorPil(size=SQUARE, **ONE), "L", (20, 20), True),
    "vit, no resize": (ViTImageProcessorPil(do_resize=False, **ONE), "L", None, True),
    "vit, no normalize": (ViTImageProcessorPil(size=SQUARE, do_normalize=False), "L", (20, 20), True),
    "vit, bytes": (ViTImageProcessorPil(size=SQUARE, do_normalize=False, do_rescale=False), "RGB", (20, 20), True),
    "convnext": (ConvNextImageProcessorPil(size={"shortest_edge": 20}), "RGB", (20, 20), False),
    "convnext, large": (ConvNextImageProcessorPil(size={"shortest_edge": 384}), "RGB", (384, 384), True),
    "efficientnet": (EfficientNetImageProcessorPil(size=SQUARE), "RGB", (20, 20), True),
    "clip": (CLIPImageProcessorPil(size={"shortest_edge": 20}, crop_size=SQUARE), "RGB", (20, 20), True),
    "clip, keeps proportions": (
        CLIPImageProcessorPil(size={"shortest_edge": 20}, do_center_crop=False),
        "RGB",
        None,
        False,
    ),
    "bit": (BitImageProcessorPil(size={"shortest_edge": 20}, crop_size=SQUARE), "RGB", (20, 20), True),
    "deit, resized beyond its crop": (
        DeiTImageProcessorPil(size={"height": 24, "width": 24}, crop_size=SQUARE),
        "RGB",
        (20, 20),
        False,
    ),
    "mobilevit, turns RGB to BGR": (
        MobileViTImageProcessorPil(size={"shortest_edge": 20}, crop_size=SQUARE),
        "RGB",
        (20, 20),
        False,
    ),
    "glpn, rounds sizes": (GLPNImageProcessorPil(size_divisor=4), "RGB", None, False),
}


def noise(height: int, width: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    shape = (height, width, 3) if mode == "RGB" else (height, width)
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


class Counted:
    """A processor that counts the images it sees."""

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        self.images = 0

    def __call__(self, images: Any, **kwargs: Any) -> Any:
        self.images += len(images)
        return self.processor(images, **kwargs)


@pytest.mark.parametrize("case", CASES)
def test_pixel_values_are_the_processors(case: str) -> None:
    processor, mode, fixed_size, looked_up = CASES[case]
    counted = Counted(processor)
    encoder = ImageEncoder(counted, mode)  # type: ignore[arg-type]
    assert encoder.fixed_size == fixed_size
    for height, width in (fixed_size or (18, 26), (31, 25), (20, 20), (9, 30)):
        for seed in (0, 10):
            images = [noise(height, width, mode, seed + i) for i in range(3)]
            before = counted.images
            encoded = encoder(images)
            asked = counted.images - before
            expected = processor(images, return_tensors="pt")["pixel_values"].float()
            assert encoded["pixel_values"].dtype == torch.float32
            assert torch.equal(encoded["pixel_values"], expected)
            assert encoded["pixel_values"].is_contiguous()
            assert encoded["lengths"] == [1, 1, 1]
        ready = fixed_size is None or (height, width) == fixed_size
        assert asked == (0 if looked_up and ready else 3)


def test_sizes_may_differ_where_the_processor_makes_them_alike() -> None:
    processor = ViTImageProcessorPil(size=SQUARE)
    images = [noise(20, 20), noise(31, 9), noise(20, 20, seed=1)]
    rows = [processor(image, return_tensors="pt")["pixel_values"][0] for image in images]
    assert torch.equal(ImageEncoder(processor)(images)["pixel_values"], torch.stack(rows))
    keeps = ImageEncoder(ViTImageProcessorPil(do_resize=False))
    with pytest.raises(UserError, match=r"^images: got rows of shapes \[\[3, 20, 20\], \[3, 31, 9\]\].*expected one"):
        keeps(images)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("given", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_images_are_converted_to_the_mode_of_the_model(mode: Any, given: str) -> None:
    processor = ViTImageProcessorPil(size=SQUARE, do_normalize=False)
    image = noise(20, 20).convert(given)
    before = image.tobytes()
    expected = processor(image.convert("RGB").convert(mode), return_tensors="pt")["pixel_values"]
    got = ImageEncoder(processor, mode)([image])["pixel_values"]
    assert got.shape == (1, len(mode), 20, 20)
    assert torch.equal(got, expected)
    assert image.tobytes() == before


def test_images_with_a_key_are_processed_once() -> None:
    counted = Counted(ViTImageProcessorPil(size=SQUARE))
    encoder = ImageEncoder(counted)  # type: ignore[arg-type]
    images = [noise(31, 25, seed=i) for i in range(4)]
    counted.images = 0
    first = encoder(images[:3], [(1, 0), (1, 1), None])["pixel_values"]
    assert counted.images == 3
    again = encoder([images[1], images[2], images[0], images[3]], [(1, 1), None, (1, 0), (1, 3)])["pixel_values"]
    assert counted.images == 5
    assert torch.equal(again[:3], first[[1, 2, 0]])
    # What a batch is turned into stays out of the memory.
    again.zero_()
    assert torch.equal(encoder(images[:2], [(1, 0), (1, 1)])["pixel_values"], first[:2])
    assert counted.images == 5


def test_the_memory_for_rows_is_bounded() -> None:
    counted = Counted(ViTImageProcessorPil(size=SQUARE))
    # One row is 3 * 20 * 20 floats of 4 bytes.
    encoder = ImageEncoder(counted, cache_bytes=2 * 4800)  # type: ignore[arg-type]
    images = [noise(31, 25, seed=i) for i in range(3)]
    encoder(images, [0, 1, 2])
    counted.images = 0
    encoder(images, [0, 1, 2])
    assert counted.images == 1


def test_a_processor_that_does_not_fit_is_refused_at_once() -> None:
    with pytest.raises(UserError, match=r"^mode: got 'RGBA'; expected"):
        ImageEncoder(ViTImageProcessorPil(), "RGBA")  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"^processor: ViTImageProcessorPil makes no pixel_values .* 'L' .*1 value"):
        ImageEncoder(ViTImageProcessorPil(), "L")
    with pytest.raises(UserError, match=r"^processor: .* shape \[2, 3, 224, 224\] from two images of mode 'L'"):
        ImageEncoder(ViTImageProcessorPil(do_convert_rgb=True), "L")
    with pytest.raises(UserError, match=r"^image: got mode 'La', which Pillow cannot read as RGB"):
        ImageEncoder(ViTImageProcessorPil(size=SQUARE))([Image.new("La", (20, 20))])


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_deep_images_are_read_as_pipeline_reads_them(kind: Any) -> None:
    image = Image.fromarray(np.array([[0, 7, 255, 256, 40_000]] * 5, kind))
    processor = ViTImageProcessorPil(size={"height": 5, "width": 5})
    expected = processor(load_image(image), return_tensors="pt")["pixel_values"]
    assert torch.equal(ImageEncoder(processor, "RGB")([image])["pixel_values"], expected)


@pytest.mark.parametrize(
    ("processor", "squeezes"),
    [
        (ViTImageProcessorPil(size=SQUARE), True),
        (ViTImageProcessorPil(size={"height": 12, "width": 30}), True),
        (CLIPImageProcessorPil(size={"shortest_edge": 20}, crop_size=SQUARE), False),
        (ViTImageProcessorPil(do_resize=False), False),
    ],
)
def test_whether_proportions_are_kept(processor: Any, squeezes: bool) -> None:
    assert ImageEncoder(processor).squeezes is squeezes
