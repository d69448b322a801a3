"""Decodes image files with Pillow, and DICOM files with pydicom."""

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from stages.base.errors.user import UserError
from stages.datasets.base.decoded import Decoded, UnusableImage, require_size
from stages.datasets.base.dicom import is_dicom, read_dicom

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF")
MOST_PIXELS = 89_478_485  # Pillow's limit: 256 MiB of colours

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_SAMPLE_FORMAT, _UNSIGNED = 339, 1  # a TIFF tag and its value for numbers without a sign


def decode(content: bytes, most_pixels: int | None = MOST_PIXELS) -> Decoded:
    """Decode an image file and rotate it by its EXIF orientation.

    Transparent images are drawn on white.

    Args:
        content: Bytes of a file in one of `FORMATS`, or DICOM; only the first frame is decoded.
        most_pixels: Largest number of pixels, since larger images may be an attack; None for any.

    Raises:
        UnusableImage: It is not an image, is damaged, or is too large.
        UserError: It is DICOM, and the extra that reads it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about invalid metadata, which is not used
            if is_dicom(content):
                return read_dicom(content, most_pixels)
            return Decoded(_decoded_by_pillow(content, most_pixels))
    except UnidentifiedImageError:
        raise UnusableImage(_why_unknown(content)) from None
    except (UnusableImage, UserError, MemoryError):
        raise
    except Exception as error:  # neither library unifies what its decoders raise
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UnusableImage(f"truncated or damaged: {reason}") from None


def _decoded_by_pillow(content: bytes, most_pixels: int | None) -> NDArray[Any]:
    with _pillow_without_limit(), Image.open(io.BytesIO(content), formats=FORMATS) as image:
        require_size(*image.size, most_pixels)
        with _libtiff_silenced() if image.format == "TIFF" else contextlib.nullcontext():
            image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return _pixels(image)


@contextlib.contextmanager
def _pillow_without_limit() -> Iterator[None]:
    """Lifts Pillow's limit for the process: `require_size` has our own."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


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


def _why_unknown(content: bytes) -> str:
    if not content:
        return "empty"
    if content[4:8] == b"ftyp" and content[8:12] in _HEIC_BRANDS:
        return (
            "a HEIC photo, as phones take them; save it as JPEG (on an iPhone, Settings, Camera, "
            "Formats: Most Compatible takes JPEG from the start)"
        )
    return "not a PNG, JPEG, BMP, WebP, GIF, TIFF or DICOM image"


def _pixels(image: Image.Image) -> NDArray[Any]:
    if image.mode.startswith(("I", "F")):
        return _deep(image)[None]
    if image.has_transparency_data:
        in_colour = image.mode != "LA"
        background = Image.new("RGBA", image.size, "white")
        background.alpha_composite(image.convert("RGBA"))
        image = background.convert("RGB" if in_colour else "L")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _deep(image: Image.Image) -> NDArray[Any]:
    """The values of a grey image of more than 8 bits (height, width)."""
    values = np.asarray(image)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("pixels that are no finite numbers")
    # Pillow reads 32-bit numbers without a sign as if they had one.
    unsigned = getattr(image, "tag_v2", {}).get(_SAMPLE_FORMAT, (1,))[0] == _UNSIGNED
    return values.view(np.uint32) if values.dtype == np.int32 and unsigned else values
