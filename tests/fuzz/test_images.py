"""Image files of every accepted format, valid and damaged."""

import io
import math
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from stages.base.errors.user import UserError
from stages.datasets.base.decode import decode
from stages.datasets.base.decoded import UnusableImage

from .cases import SLACK_BYTES, damaged, refusal_or

pytestmark = pytest.mark.fuzz

RNG = np.random.default_rng(0)
GREY = Image.fromarray(RNG.integers(0, 256, (12, 10), dtype=np.uint8))
RGB = Image.fromarray(RNG.integers(0, 256, (12, 10, 3), dtype=np.uint8))
SIXTEEN = Image.fromarray(RNG.integers(0, 1 << 16, (12, 10), dtype=np.uint16))
TURNED = Image.Exif()
TURNED[0x0112] = 6


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def sound() -> Iterator[bytes]:
    """Files of each format, in the modes and with the options that differ most."""
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        yield encoded(RGB.convert(mode), "PNG")
    yield encoded(SIXTEEN, "PNG")
    yield encoded(RGB.convert("P"), "PNG", transparency=3)
    yield encoded(RGB, "PNG", exif=TURNED, icc_profile=b"none", save_all=True, append_images=[GREY])
    for mode in ("L", "RGB", "CMYK"):
        yield encoded(RGB.convert(mode), "JPEG", exif=TURNED)
    yield encoded(RGB, "JPEG", progressive=True)
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield encoded(RGB.convert(mode), "BMP")
    yield encoded(RGB.convert("P"), "GIF", transparency=3, save_all=True, append_images=[GREY])
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield encoded(RGB, "TIFF", compression=compression)
    yield encoded(GREY.convert("1"), "TIFF", compression="group4")
    yield encoded(SIXTEEN, "TIFF")
    yield encoded(GREY.convert("F"), "TIFF", compression="tiff_lzw")
    yield encoded(RGB.convert("RGBA"), "TIFF", compression="tiff_lzw", exif=TURNED)
    yield encoded(RGB.convert("RGBA"), "WEBP", lossless=True, exif=TURNED)
    yield encoded(RGB, "WEBP", save_all=True, append_images=[RGB])


SOUND = list(sound())


def png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG file with any chunks and correct checksums."""
    encoded_chunks = [
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(encoded_chunks)


# For a transparent pixel Pillow at times has three copies of four bytes, in addition to ours.
PIXEL_BYTES = 20
PALETTE_BYTES = 2 << 20  # a BMP file may claim 65,536 colours

SIDES = st.sampled_from([0, 1, 7, 12, 500, 9000, 65535, (1 << 31) - 1])


@st.composite
def pngs(draw: st.DrawFn) -> bytes:
    """PNG files with any header, and damaged chunks with correct checksums."""
    header = struct.pack(
        ">IIBBBBB",
        draw(SIDES),
        draw(SIDES),
        draw(st.sampled_from([1, 2, 4, 8, 16, 3])),
        draw(st.sampled_from([0, 2, 3, 4, 6, 1])),
        0,
        0,
        draw(st.integers(0, 2)),
    )
    kinds = st.sampled_from(
        [b"PLTE", b"tRNS", b"iCCP", b"zTXt", b"eXIf", b"acTL", b"fcTL", b"pHYs"]
    )
    extra = draw(st.lists(st.tuples(kinds, st.binary(max_size=40)), max_size=3))
    pixels = draw(damaged(zlib.compress(RGB.tobytes())) | st.just(zlib.compress(bytes(100_000))))
    return png([(b"IHDR", header), *extra, (b"IDAT", pixels), (b"IEND", b"")])


FAX = encoded(Image.fromarray(np.eye(64, dtype=bool)), "TIFF", compression="group4")
NOISY = FAX[:8] + bytes([77] * 40) + FAX[48:]  # libtiff prints a warning about it
BITMAP = encoded(RGB.convert("1"), "BMP")
MANY_COLOURS = BITMAP[:46] + b"\x02\xff" + BITMAP[48:]

FILES = st.sampled_from(SOUND).flatmap(damaged) | pngs() | st.sampled_from(SOUND) | st.binary()


@given(FILES)
@example(NOISY)
@example(MANY_COLOURS)
def test_images_are_decoded_as_by_pillow_or_rejected(
    capfd: pytest.CaptureFixture[str], content: bytes
) -> None:
    capfd.readouterr()
    with resident_growth(PIXEL_BYTES * n_pixels(content)):
        decoded = refusal_or(lambda: read(content), PALETTE_BYTES + PIXEL_BYTES * n_pixels(content))
    assert capfd.readouterr().err == ""  # C libraries write there directly
    if not isinstance(decoded, UserError):
        assert decoded.shape[0] in ((1, 3) if decoded.dtype == np.uint8 else (1,))
        assert np.array_equal(np.broadcast_to(decoded, (3, *decoded.shape[1:])), expected(content))


def n_pixels(content: bytes) -> int:
    """The number of pixels in the header; 0 if the file is rejected because they are too many."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as image:
                number = math.prod(image.size)
    except Exception:  # not an image, or far too large
        return 0
    return number if number <= Image.MAX_IMAGE_PIXELS else 0


@contextmanager
def resident_growth(most_bytes: int) -> Iterator[None]:
    """Limit the growth of resident memory; tracemalloc does not count Pillow's."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not reset.exists():  # not Linux
        yield
        return
    reset.write_text("5")  # resets the peak to the current size
    before = peak(status)
    yield
    assert peak(status) - before <= most_bytes + 8 * SLACK_BYTES


def peak(status: Path) -> int:
    """Peak resident memory in bytes, from the process's status in `/proc`."""
    (kib,) = re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())
    return int(kib) << 10


def read(content: bytes) -> NDArray[Any]:
    """Decode an image; turn `UnusableImage`, which image_folder reports, into a `UserError`."""
    try:
        return decode(content).pixels
    except UnusableImage as error:
        raise UserError(f"x.png: {error}") from None


def expected(content: bytes) -> NDArray[Any]:
    """The first frame in colour on white, upright, or deep values, decoded by Pillow as usual."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(content))
        upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):
        grey = np.asarray(upright)
        unsigned = image.mode == "I" and image.tag_v2.get(339, (1,))[0] == 1
        return np.broadcast_to(grey.view(np.uint32) if unsigned else grey, (3, *grey.shape))
    white = Image.new("RGBA", upright.size, "white")
    on_white = Image.alpha_composite(white, upright.convert("RGBA")).convert("RGB")
    return np.asarray(on_white).transpose(2, 0, 1)
