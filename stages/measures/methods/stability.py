"""Stability: how far does a map change, compared with the output, if the image changes a little?

A change is admissible if it leaves the prediction as it is, and all pixels within their range.

Source: relative output stability of Agarwal et al. 2022, arXiv:2203.06877, with lengths of whole
maps in place of each pixel's relative change, since many pixels have the value 0; and over several
changes the root mean square in place of the maximum, which a single small divisor would decide.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DESCRIPTION = (
    "relative change of the map over that of the outputs, under noise of a few grey levels that "
    "leaves the prediction as it is; 0 for a map that never changes"
)
BETTER: Final = "lower"

REACH = 8.0  # the largest change of a pixel, of 255
CHANGES = 5  # changed versions of an image


def nearby(images: Tensor, seed: int) -> Tensor:
    """Changed versions (r, n, c, h, w) of images (n, c, h, w) with pixels 0 … 255.

    Each pixel moves by a uniform draw of at most `REACH`, and stays between 0 and 255.
    """
    draw = np.random.default_rng(seed).uniform(-REACH, REACH, (CHANGES, *images.shape))
    return (images + torch.from_numpy(draw).to(images)).clamp(0, 255)


def stability_of(
    maps_of: Callable[[Tensor], NDArray[np.floating]],
    outputs_of: Callable[[Tensor], NDArray[np.floating]],
    predicted_of: Callable[[Tensor], NDArray[np.bool_]],
    images: Tensor,
    seed: int,
) -> NDArray[np.float64]:
    """Stability of a method on images (n, c, h, w); see `stability`.

    Args:
        maps_of: Maps (n, h, w) of images, always of the same classes.
        outputs_of: Outputs (n, k) of images.
        predicted_of: Which classes are predicted for images (n, k).
        images: Float, pixels 0 … 255.
        seed: For the changes.
    """
    changed, predicted = list(nearby(images, seed)), predicted_of(images)
    return stability(
        maps_of(images),
        np.stack([maps_of(version) for version in changed]),
        outputs_of(images),
        np.stack([outputs_of(version) for version in changed]),
        np.stack([(predicted_of(version) == predicted).all(axis=1) for version in changed]),
    )


def stability(
    maps: NDArray[np.floating],
    changed_maps: NDArray[np.floating],
    outputs: NDArray[np.floating],
    changed_outputs: NDArray[np.floating],
    admissible: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Relative change of the map over the relative change of the outputs.

    Args:
        maps: (n, h, w).
        changed_maps: Maps of r changed versions of each image (r, n, h, w).
        outputs: (n, k).
        changed_outputs: (r, n, k).
        admissible: Which versions leave the prediction as it is (r, n).

    Returns:
        (n,): 1 if both change as much, relative to their lengths; root mean squares over the
        admissible versions. NaN if there are none, if the outputs stay the same or the map is 0.
    """
    map_change = _relative_change(maps, changed_maps, admissible)
    output_change = _relative_change(outputs, changed_outputs, admissible)
    found = np.full(len(maps), np.nan)
    return np.asarray(np.divide(map_change, output_change, out=found, where=output_change > 0))


def _relative_change(
    values: NDArray[np.floating], changed: NDArray[np.floating], counted: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Root mean square over the counted versions of the length of the change (n,)."""
    n_versions, n_images = counted.shape
    before = values.reshape(n_images, -1).astype(np.float64)
    after = changed.reshape(n_versions, n_images, -1).astype(np.float64)
    squares = np.where(counted, ((after - before) ** 2).sum(axis=2), 0).sum(axis=0)
    divisors = counted.sum(axis=0) * (before**2).sum(axis=1)
    found = np.full(n_images, np.nan)
    return np.asarray(np.sqrt(np.divide(squares, divisors, out=found, where=divisors > 0)))
