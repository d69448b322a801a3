"""Decoding of image files: every format, and every kind of unusable file."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.datasets.base.decode import UnusableImage, decode

from .image_files import DAMAGED, encoded, pixels


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "WEBP"])
def test_grey_images_are_decoded_exactly(kind: str) -> None:
    grey = pixels(9, 13)
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encoded(Image.fromarray(grey), kind, **options)
    expected = np.repeat(grey[None], 3, axis=0) if kind in ("WEBP", "GIF") else grey[None]
    decoded = decode(content)
    # WebP and GIF store only colours: a grey image has equal channels.
    assert np.array_equal(np.broadcast_to(decoded, expected.shape), expected)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_colour_images_are_decoded_exactly(kind: str) -> None:
    rgb = pixels(9, 13, 3)
    options = {"lossless": True} if kind == "WEBP" else {}
    decoded = decode(encoded(Image.fromarray(rgb), kind, **options))
    assert np.array_equal(decoded, rgb.transpose(2, 0, 1))


def test_jpeg_is_decoded_closely() -> None:
    smooth = np.add.outer(np.arange(16), np.arange(24)).astype(np.uint8) * 4
    decoded = decode(encoded(Image.fromarray(smooth), "JPEG", quality=95))
    assert decoded.shape == (1, 16, 24)
    assert np.abs(decoded[0].astype(int) - smooth).max() < 6


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP"])
def test_only_the_first_frame_is_decoded(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    options: dict[str, Any] = {"save_all": True, "append_images": frames[1:]}
    options |= {"lossless": True} if kind == "WEBP" else {}
    decoded = decode(encoded(frames[0], kind, **options))
    assert np.array_equal(decoded, np.broadcast_to([[[255]], [[0]], [[0]]], (3, 8, 8)))


def test_palettes_and_one_bit_images_are_decoded() -> None:
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([9, 9, 9, 10, 20, 30])
    assert decode(encoded(palette, "PNG"))[:, 0, 0].tolist() == [10, 20, 30]
    bits = Image.fromarray(np.eye(8, dtype=bool))
    assert np.array_equal(decode(encoded(bits, "PNG"))[0], np.eye(8) * 255)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_reduced_to_eight(kind: str) -> None:
    values = np.array([[0, 257, 128 * 257, 65535, 300] * 2] * 8, dtype=np.uint16)
    decoded = decode(encoded(Image.fromarray(values), kind))
    assert decoded[0, 0, :5].tolist() == [0, 1, 128, 255, 1]


def test_transparent_pixels_are_drawn_on_white() -> None:
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[0, 0] = (255, 0, 0, 255)
    rgba[0, 1] = (255, 0, 0, 51)  # a fifth of red on white
    decoded = decode(encoded(Image.fromarray(rgba), "PNG"))
    assert decoded[:, 0, :3].T.tolist() == [[255, 0, 0], [255, 204, 204], [255, 255, 255]]
    grey = Image.merge("LA", [Image.new("L", (8, 8), 0), Image.new("L", (8, 8), 51)])
    assert np.array_equal(decode(encoded(grey, "PNG")), np.full((1, 8, 8), 204))


def test_images_are_rotated_by_their_exif_orientation() -> None:
    landscape = Image.fromarray(pixels(8, 12))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be rotated clockwise by 90 degrees
    decoded = decode(encoded(landscape, "PNG", exif=exif))
    assert np.array_equal(decoded[0], np.rot90(np.asarray(landscape), -1))


@pytest.mark.parametrize("name", DAMAGED)
def test_an_unusable_file_is_rejected_with_the_reason(name: str) -> None:
    content, reason = DAMAGED[name]
    with pytest.raises(UnusableImage, match=reason):
        decode(content)
