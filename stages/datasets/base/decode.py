"""Decodes image files with Pillow."""

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF")


class UnusableImage(Exception):
    """A file that is not an image, is damaged or cannot be read; the message gives the reason."""


def decode(content: bytes) -> NDArray[np.uint8]:
    """Decode an image file and rotate it by its EXIF orientation.

    Args:
        content: Bytes of a file in one of `FORMATS`; only the first frame is decoded.

    Returns:
        (1, height, width) for a grey image, otherwise (3, height, width), uint8. 16-bit values are
        converted to 8 bits; transparent images are drawn on white.

    Raises:
        UnusableImage: It is not an image, is damaged, or is so large that it may be an attack.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about invalid metadata, which is not used
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                with _libtiff_silenced() if image.format == "TIFF" else contextlib.nullcontext():
                    image.load()
                ImageOps.exif_transpose(image, in_place=True)
                return _pixels(image)
    except UnidentifiedImageError:
        known = "PNG, JPEG, BMP, WebP, GIF or TIFF"
        raise UnusableImage(f"not a {known} image" if content else "empty") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnusableImage(f"decompression bomb: {error}") from None
    except MemoryError:
        raise
    except Exception as error:  # Pillow does not unify what its decoders raise
        raise UnusableImage(f"truncated or damaged: {error}") from None


@contextlib.contextmanager
def _libtiff_silenced() -> Iterator[None]:
    """Redirects standard error, where libtiff writes messages about a "tempfile.tif"."""
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as null:
            os.dup2(null.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith(("I", "F")):
        image = _from_16_bits(image)
    elif image.has_transparency_data:
        in_colour = image.mode != "LA"
        background = Image.new("RGBA", image.size, "white")
        background.alpha_composite(image.convert("RGBA"))
        image = background.convert("RGB" if in_colour else "L")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _from_16_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if values.dtype.kind == "f" or values.min() < 0 or values.max() >= 1 << 16:
        raise ValueError("more than 16 bits per channel; save it with 8 or 16")
    return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))
