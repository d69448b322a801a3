"""What decoders of image files share: a decoded image, and why a file is none."""

from typing import Any, NamedTuple

from numpy.typing import NDArray


class Decoded(NamedTuple):
    """A decoded image file.

    Attributes:
        pixels: (1, height, width) for a grey image, otherwise (3, height, width), uint8. Grey
            images of more than 8 bits keep their values: uint16, int16, int32, uint32 or float32.
        window: The values that the file wants shown black and white, which DICOM files may say;
            None for the range of the pixels' type.
    """

    pixels: NDArray[Any]
    window: tuple[float, float] | None = None


class UnusableImage(Exception):
    """A file that is not an image, is damaged or cannot be read; the message gives the reason."""


def require_size(width: int, height: int, most_pixels: int | None) -> None:
    """Raise `UnusableImage` if an image has more pixels than allowed; None allows any number."""
    if most_pixels is not None and width * height > most_pixels:
        raise UnusableImage(
            f"{width:,}×{height:,} pixels, more than {most_pixels:,}, as a decompression bomb has; "
            f"shrink it or, in a data set of yours, set data.options: {{most_pixels: "
            f"{width * height}}}"
        )
