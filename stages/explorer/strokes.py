"""How training images show strokes on paper, for photographs of handwriting to be made alike."""

from typing import NamedTuple, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

MOST_IMAGES = 300  # are measured
FLAT = 32  # grey levels: what differs less from the paper is paper
PAPER_AT_EDGE = 0.75  # smallest share of the pixels at the edge
BROAD = 1 / 3  # of the shorter side: strokes are narrower
MOST_BROAD = 0.1  # largest share of the ink in areas that are broader than strokes
FINER = 8  # how much strokes are enlarged to measure their width
THINNEST = 5  # percentile of the stroke widths

Grey = NDArray[np.int64]


class StrokeStyle(NamedTuple):
    """Strokes on paper of one grey level, as the training images show them.

    Attributes:
        paper: Grey level of the paper, 0 … 255.
        ink: Grey level of the darkest or lightest strokes.
        side: Longest side of the box around the ink, in pixels of these images.
        middle: Row and column, from 0, where the strokes are centred.
        by_mass: Whether their centre of mass lies there; otherwise the middle of their box.
        thinnest: Stroke width that 95 % of the images exceed, as a share of `side`.
        usual: Median stroke width, as a share of `side`.
    """

    paper: int
    ink: int
    side: int
    middle: tuple[float, float]
    by_mass: bool
    thinnest: float
    usual: float

    @classmethod
    def of(cls, images: NDArray[np.uint8]) -> Self | None:
        """The style of images (n, c, h, w); None unless they are grey strokes on constant paper."""
        n = min(MOST_IMAGES, len(images))
        chosen = images[np.arange(n) * len(images) // n]
        if chosen.shape[1] != 1:
            return None
        greys = chosen[:, 0].astype(np.int64)
        paper = int(np.median([edge_of(grey) for grey in greys]))
        at_edge = np.mean([np.abs(edge_of(grey) - paper) < FLAT for grey in greys])
        sign = 1 if (greys - paper).sum() > 0 else -1
        ink = np.maximum(sign * (greys - paper), 0)
        if at_edge < PAPER_AT_EDGE or not ink.any() or _broad_share(ink) > MOST_BROAD:
            return None
        level = int(np.median(ink.max(axis=(1, 2))))
        masks = 2 * ink > level
        drawn = masks.any(axis=(1, 2))
        ink, masks = ink[drawn], masks[drawn]
        boxes = [box_of(mask) for mask in masks]
        sides = np.array([max(b - t, r - le) for t, b, le, r in boxes])
        masses = np.array([_centre_of_mass(one) for one in ink])
        middles = np.array([((t + b - 1) / 2, (le + r - 1) / 2) for t, b, le, r in boxes])
        by_mass = bool(masses.std(axis=0).sum() < middles.std(axis=0).sum())
        widths = np.array([_fine_width(one, level) for one in ink]) / sides
        y, x = (masses if by_mass else middles).mean(axis=0)
        thinnest, usual = np.percentile(widths, [THINNEST, 50])
        return cls(
            paper=paper,
            ink=paper + sign * level,
            side=int(np.median(sides)),
            middle=(float(y), float(x)),
            by_mass=by_mass,
            thinnest=float(thinnest),
            usual=float(usual),
        )


def largest_nearby(values: Grey, size: int) -> Grey:
    """The largest value in the square of odd `size` around each pixel of (..., h, w)."""
    for axis in (-2, -1):
        padding = [(0, 0)] * values.ndim
        padding[axis] = (size // 2, size // 2)
        padded = np.pad(values, padding, mode="edge")
        values = sliding_window_view(padded, size, axis=axis).max(axis=-1)
    return values


def closed(values: Grey, size: int) -> Grey:
    """Fill dark areas of (..., h, w) that a square of odd `size` does not fit in.

    This is a morphological closing; outside, the pixels at the edge go on.
    """
    radius = size // 2
    padding = [(0, 0)] * (values.ndim - 2) + [(radius, radius)] * 2
    filled = -largest_nearby(-largest_nearby(np.pad(values, padding, mode="edge"), size), size)
    return filled[..., radius:-radius, radius:-radius]


def edge_of(grey: Grey) -> Grey:
    """The pixels at the edge of (h, w)."""
    return np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])


def box_of(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of a mask that is not empty, ends excluded."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def stroke_width(mask: NDArray[np.bool_]) -> float:
    """Mean width of strokes in pixels: twice their area over the number of pixels at their edge."""
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return float(2 * mask.sum() / (mask & ~inside).sum())


def odd(length: float) -> int:
    """The largest odd number up to a length, at least 3."""
    return max(3, 2 * int((length - 1) // 2) + 1)


def _broad_share(ink: Grey) -> float:
    """Share of the ink (n, h, w) in areas that are broader than strokes."""
    size = odd(BROAD * min(ink.shape[1:]))
    return float(-closed(-ink, size).sum() / ink.sum())


def _centre_of_mass(ink: Grey) -> tuple[float, float]:
    rows, columns = (np.arange(length) for length in ink.shape)
    total = ink.sum()
    return float(ink.sum(axis=1) @ rows / total), float(ink.sum(axis=0) @ columns / total)


def _fine_width(ink: Grey, level: int) -> float:
    """Stroke width in pixels of the image, measured on its enlargement."""
    height, width = ink.shape
    image = Image.fromarray(ink.astype(np.uint8))
    fine = image.resize((FINER * width, FINER * height), Image.Resampling.BILINEAR)
    return stroke_width(2 * np.asarray(fine, np.int64) > level) / FINER
