"""Decoding of image files: every format, and every kind of unusable file."""

import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from stages.datasets.base.decode import decode as decode_file
from stages.datasets.base.decoded import UnusableImage

from .image_files import DAMAGED, encoded, pixels


def decode(content: bytes) -> NDArray[Any]:
    pixels, window = decode_file(content)
    assert window is None
    return pixels


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


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_images_for_print_become_the_colours_that_they_print(kind: str) -> None:
    """Of cyan, magenta, yellow and black; each ink leaves its share of the light."""
    inks = np.array([0, 204, 255, 51])
    decoded = decode(encoded(Image.new("CMYK", (16, 16), tuple(inks.tolist())), kind))
    expected = (255 - inks[:3]) * (255 - inks[3]) / 255
    assert decoded.shape == (3, 16, 16)
    assert np.abs(decoded - expected[:, None, None]).max() <= (4 if kind == "JPEG" else 1)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_keep_their_values(kind: str) -> None:
    values = np.array([[0, 257, 128 * 257, 65535, 300] * 2] * 8, dtype=np.uint16)
    decoded = decode(encoded(Image.fromarray(values), kind))
    assert decoded.dtype == np.uint16
    assert np.array_equal(decoded[0], values)


def tiff(values: NDArray[Any], sample_format: int) -> bytes:
    """An uncompressed TIFF by its specification; its formats are 1 unsigned, 2 signed, 3 float."""
    height, width = values.shape
    order = values.dtype.str[0]
    tags = {256: width, 257: height, 258: 8 * values.itemsize, 259: 1, 262: 1, 273: 8}
    tags |= {277: 1, 278: height, 279: values.nbytes, 339: sample_format}
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + values.nbytes)
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, n) for tag, n in tags.items())
    return head + values.tobytes() + struct.pack(order + "H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(
    ("kind", "sample_format", "value"),
    [
        ("<u2", 1, 4095),
        (">u2", 1, 4095),
        ("<i2", 2, -1024),
        (">i2", 2, -1024),
        ("<i4", 2, -70_000),
        ("<u4", 1, 3_000_000_000),
        ("<f4", 3, 0.25),
        (">f4", 3, -0.25),
    ],
)
def test_deep_tiffs_keep_their_values(kind: str, sample_format: int, value: float) -> None:
    values = np.zeros((8, 9), kind)
    values[2, 3] = value
    decoded = decode(tiff(values, sample_format))
    assert decoded.dtype.isnative
    assert np.array_equal(decoded[0], values)


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


def test_an_image_above_the_limit_is_read_if_that_is_allowed() -> None:
    content = encoded(Image.fromarray(pixels(30, 40)), "PNG")
    with pytest.raises(
        UnusableImage, match=r"^40×30 pixels, more than 1,199, .*most_pixels: 1200}"
    ):
        decode_file(content, most_pixels=1199)
    assert decode_file(content, most_pixels=1200).pixels.shape == (1, 30, 40)


def test_the_limit_is_ours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow itself warns above its limit, and fails at twice as many pixels."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    content = encoded(Image.fromarray(pixels(30, 40)), "PNG")
    assert decode_file(content, most_pixels=None).pixels.shape == (1, 30, 40)
    assert Image.MAX_IMAGE_PIXELS == 100
