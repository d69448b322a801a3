"""Turns pixels of more than 8 bits into the 8 that networks read."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.base.errors.user import UserError
from stages.params.preprocess import PixelRange

HIGHEST = 65_535  # of 16 bits
FEWEST_USED = 16_384  # of 65,536 values, what half of the training images must span: 64 of 256


def chosen_range(
    ranges: NDArray[np.float64] | None, windows: NDArray[np.float64] | None, setting: PixelRange
) -> tuple[float, float] | None:
    """The values that become 0 and 255 in images of more than 8 bits.

    Args:
        ranges: Lowest and highest value of each training image (n, 2), NaN for those of 8 bits;
            None if all have 8 bits.
        windows: What each image says should become 0 and 255 (n, 2), NaN if it does not; None if
            none does. Only used without a setting.
        setting: `preprocess.pixel_range`.

    Returns:
        Low and high; None for each image's window, or else 0 and 65,535, which only images of 16
            bits have.

    Raises:
        UserError: There are no such images though a range is set, or the range is not set and
            most images use little of 16 bits.
    """
    deep = np.empty((0, 2)) if ranges is None else ranges
    if setting is None and windows is not None:
        deep = deep[np.isnan(windows[:, 0])]
    deep = deep[~np.isnan(deep[:, 0])]
    if setting == "full" or (setting is None and not len(deep)):
        return None
    if not len(deep):
        raise UserError(
            "preprocess.pixel_range: is for images of more than 8 bits, and all training images "
            "have 8; set it to null"
        )
    low, high = float(deep[:, 0].min()), float(deep[:, 1].max())
    if setting is None:
        _require_most_of_16_bits(deep, low, high)
        return None
    if setting != "data":
        return setting
    if low == high:
        raise UserError(
            f"data: all pixels of the training images are {low:g}; is it the right folder?"
        )
    return low, high


def eight_bits(image: NDArray[Any], chosen: tuple[float, float] | None) -> NDArray[np.uint8]:
    """An image in 8 bits; one that has them is unchanged.

    Args:
        image: uint8, uint16, or any other real numbers.
        chosen: The values that become 0 and 255, as darker and brighter ones do: what
            `chosen_range` returned, or else the image's window; None for those of 16 bits.

    Raises:
        UserError: No range is chosen, and the image has other numbers than those of 16 bits.
    """
    if image.dtype == np.uint8:
        return image
    if chosen is None and image.dtype != np.uint16:
        raise UserError(
            f"pixels are {image.dtype}, which have no range of their own; set "
            "preprocess.pixel_range: data, or [low, high]"
        )
    low, high = chosen or (0, HIGHEST)
    scaled = (image.astype(np.float64) - low) / (high - low) * 255
    levels: NDArray[np.uint8] = np.rint(scaled.clip(0, 255)).astype(np.uint8)
    return levels


def _require_most_of_16_bits(deep: NDArray[np.float64], low: float, high: float) -> None:
    span = float(np.median(deep[:, 1] - deep[:, 0]))
    if span >= FEWEST_USED:
        return
    levels = round(span * 255 / HIGHEST) + 1
    raise UserError(
        f"data: pixels of the training images are {low:,.7g} … {high:,.7g}, far below the "
        f"{HIGHEST:,} of 16 bits: half of the images would keep at most {levels} of 256 levels; "
        f"set preprocess.pixel_range: data to turn {low:,.7g} into 0 and {high:,.7g} into 255, "
        "[low, high] for other values, or full to take 16 bits as they are"
    )
