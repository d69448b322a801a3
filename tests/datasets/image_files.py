"""Valid and damaged image files."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RNG = np.random.default_rng(0)


def pixels(*shape: int) -> NDArray[np.uint8]:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


PNG = encoded(Image.fromarray(pixels(12, 10)), "PNG")


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header states this size but that has no pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


DAMAGED = {
    "empty": (b"", "empty"),
    "text": (b"no image", "not a PNG, JPEG, BMP, WebP, GIF, TIFF or DICOM image"),
    "page": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a PNG, JPEG, BMP"),
    "cut png": (encoded(Image.fromarray(pixels(30, 30)), "PNG")[:-200], "truncated or damaged"),
    "cut jpeg": (encoded(Image.fromarray(pixels(30, 30)), "JPEG")[:-200], "truncated or damaged"),
    "cut webp": (
        encoded(Image.fromarray(pixels(30, 30, 3)), "WEBP")[:-200],
        "truncated or damaged|not a PNG",
    ),
    "changed byte": (PNG[:60] + bytes([PNG[60] ^ 255]) + PNG[61:], "truncated or damaged"),
    "bomb": (
        png_of_size(60_000, 60_000),
        "60,000×60,000 pixels, more than 89,478,485, as a decompr",
    ),
    "small bomb": (png_of_size(10_000, 10_000), "10,000×10,000 pixels, .*most_pixels: 100000000}"),
    "not a number": (
        encoded(Image.fromarray(np.full((8, 8), np.nan, np.float32)), "TIFF"),
        "pixels that are no finite numbers",
    ),
}
