"""Image files to pixels, through Pillow."""

import io
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF")


class Undecodable(Exception):
    """A file that is no image, or is not whole; says why."""


def decode(content: bytes) -> NDArray[np.uint8]:
    """Decode an image file, upright as its camera says.

    Args:
        content: Of the file: one of `FORMATS`; of several frames the first is taken.

    Returns:
        (1, height, width) for an image without colours, else (3, height, width). 16 bits become
        8; what is transparent becomes white, as on a page.

    Raises:
        Undecodable: It is no image, is cut short, or is so large that it must be an attack.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, which do not matter here
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                image.load()
                return _pixels(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        known = "PNG, JPEG, BMP, WebP, GIF or TIFF"
        raise Undecodable(f"no {known} image" if content else "empty") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Undecodable(f"decompression bomb: {error}") from None
    except Exception as error:  # Pillow lets through whatever a format's decoder raises
        raise Undecodable(f"cut short or damaged: {error}") from None


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith(("I", "F")):
        image = _from_16_bits(image)
    elif image.has_transparency_data:
        in_colour = image.mode != "LA"
        page = Image.new("RGBA", image.size, "white")
        page.alpha_composite(image.convert("RGBA"))
        image = page.convert("RGB" if in_colour else "L")
    elif image.mode in ("1", "L"):
        image = image.convert("L")
    else:
        image = image.convert("RGB")
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _from_16_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    if values.dtype.kind == "f" or values.min() < 0 or values.max() >= 1 << 16:
        raise ValueError("pixels of more than 16 bits; save it with 8 or 16")
    return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))
