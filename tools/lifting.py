"""Lifts handwriting from a photograph of paper. The explorer page's `lifting.js` does the same.

All arithmetic up to the last resizing is on whole numbers, so that both give the same pixels.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from stages.explorer.strokes import (
    FLAT,
    PAPER_AT_EDGE,
    StrokeStyle,
    box_of,
    closed,
    edge_of,
    largest_nearby,
    odd,
    stroke_width,
)

LONGEST = 400  # pixels: larger photographs are reduced
SMOOTHED = 200  # pixels: photographs at least as long are smoothed, against the paper's grain
BROADEST = 1 / 4  # of the shorter side: strokes are narrower
DARKEST = 400  # one pixel in so many is as dark as the strokes, or darker
CLEAR = 8  # strokes are darker than the paper by at least so many median deviations of the paper...
FAINTEST = 8  # ... and by at least so many levels of 255
SMALLEST = 10  # ink of the largest part over that of the smallest one kept
INSIDE = 5  # all ink over that of the parts that do not touch the edge, if these are the writing

Whole = NDArray[np.int64]


def looks_like_training(grey: NDArray[np.uint8], style: StrokeStyle, size: tuple[int, int]) -> bool:
    """Whether a picture (h, w) has the training images' size, and their paper at its edge."""
    far = np.abs(edge_of(grey.astype(np.int64)) - style.paper)
    return grey.shape == size and bool(np.mean(far < FLAT) >= PAPER_AT_EDGE)


def lifted(
    grey: NDArray[np.uint8], style: StrokeStyle, size: tuple[int, int]
) -> NDArray[np.uint8] | None:
    """Strokes of a photograph as the training images show them.

    The paper's brightness is estimated nearby and divided out. What is darker than half the
    strokes' darkness is ink, or lighter, if most of the picture is dark. Specks are left out,
    strokes thinner than the training images' are broadened.

    Args:
        grey: The photograph (h, w).
        style: Strokes of the training images.
        size: Height and width of the result.

    Returns:
        (height, width); None if no strokes stand out.
    """
    ink = _ink(_reduced(grey))
    levels = np.sort(ink, axis=None)
    low, high = int(levels[len(levels) // 2]), int(levels[-1 - len(levels) // DARKEST])
    deviation = np.sort(np.abs(ink - low), axis=None)[len(levels) // 2]
    if high - low < max(FAINTEST, CLEAR * deviation):
        return None
    mask = _without_specks(2 * ink > low + high, ink)
    near = largest_nearby(mask.astype(np.int64), 3) > 0
    values = np.where(near, np.clip(ink - low, 0, high - low) * 255 // (high - low), 0)
    values = _broadened(values, mask, style)
    top, bottom, left, right = box_of(2 * values >= 255)
    return _placed(values[top:bottom, left:right], style, size)


def _reduced(grey: NDArray[np.uint8]) -> Whole:
    """Means of squares, so that the longest side is at most `LONGEST`; smoothed if it is large."""
    side = -(-max(grey.shape) // LONGEST)
    height, width = (max(1, length // side) for length in grey.shape)
    blocks = grey[: height * side, : width * side].astype(np.int64)
    sums = blocks.reshape(height, -1, width, blocks.shape[1] // width).sum(axis=(1, 3))
    n = blocks.size // sums.size
    reduced: Whole = (2 * sums + n) // (2 * n)
    if max(reduced.shape) < SMOOTHED:
        return reduced
    padded = np.pad(reduced, 1, mode="edge")
    total = np.zeros_like(reduced)
    for y, x in np.ndindex(3, 3):
        total += padded[y : y + height, x : x + width]
    return (2 * total + 9) // 18


def _ink(grey: Whole) -> Whole:
    """How much darker than the paper each pixel is, in 255ths of the paper's brightness."""
    if _is_light_on_dark(grey):
        grey = 255 - grey
    paper = closed(grey, odd(BROADEST * min(grey.shape)))
    return 255 * (paper - grey) // np.maximum(paper, 1)


def _is_light_on_dark(grey: Whole) -> bool:
    """Whether more pixels are far above than far below the mean of their neighbourhood."""
    radius = odd(min(grey.shape) / 2) // 2
    sums = np.pad(grey.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    (top, bottom), (left, right) = (
        (np.maximum(at - radius, 0), np.minimum(at + radius + 1, len(at)))
        for at in map(np.arange, grey.shape)
    )
    means = sums[bottom][:, right] - sums[top][:, right] - sums[bottom][:, left]
    means = (means + sums[top][:, left]) / np.outer(bottom - top, right - left)
    return bool(((grey - means) ** 3).sum() > 0)


def _without_specks(mask: NDArray[np.bool_], ink: Whole) -> NDArray[np.bool_]:
    """The connected parts with much ink; without those at the edge if the rest has much."""
    parts, n = ndimage.label(mask, np.ones((3, 3)))
    masses = np.bincount(parts.ravel(), ink.ravel(), n + 1).astype(np.int64)
    masses[0] = 0
    masses[SMALLEST * masses < masses.max()] = 0
    inside = masses.copy()
    inside[edge_of(parts.astype(np.int64))] = 0
    kept = inside if INSIDE * inside.sum() >= masses.sum() else masses
    return np.asarray((kept > 0)[parts])


def _broadened(values: Whole, mask: NDArray[np.bool_], style: StrokeStyle) -> Whole:
    """The strokes, broadened if they are thinner than those of the training images."""
    top, bottom, left, right = box_of(mask)
    side, width = max(bottom - top, right - left), stroke_width(mask)
    if width >= style.thinnest * side:
        return values
    radius = int((style.usual * side - width) / 2 + 0.5)
    return largest_nearby(values, 2 * radius + 1)


def _placed(ink: Whole, style: StrokeStyle, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The ink (h, w) of a box, 0 … 255, scaled and placed on paper."""
    longest = max(ink.shape)
    height, width = (max(1, int(length * style.side / longest + 0.5)) for length in ink.shape)
    image = Image.fromarray(ink.astype(np.uint8))
    small = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), np.int64)
    placed = np.zeros(size, np.int64)
    ends = []
    for axis, length in enumerate(small.shape):
        centre = length / 2
        if style.by_mass:
            weights, n = ink.sum(axis=1 - axis), ink.shape[axis]
            centre = length * (weights @ (2 * np.arange(n) + 1)) / (2 * n * weights.sum())
        start = int(np.floor(style.middle[axis] + 1 - centre))
        start = max(0, min(start, size[axis] - length))
        ends.append((start, min(length, size[axis])))
    (top, height), (left, width) = ends
    placed[top : top + height, left : left + width] = small[:height, :width]
    return (style.paper + (2 * (style.ink - style.paper) * placed + 255) // 510).astype(np.uint8)
