"""Explained images in as few bytes as the explorer page has room for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stages.artifacts.explanation import Explanation
from stages.figures.tiles import average
from stages.summary.classes import shown_classes
from stages.summary.totals import Summary

PACKED_BYTES = 7_000_000  # of the images and maps, as text; the whole page stays under 8 MB
MOST_IMAGES = 1000  # so that the gallery stays quick
SIDE = 64  # pixels; larger images are averaged down to at most this
STEPS = 2**15 - 1  # of 16 signed bits


@dataclass(frozen=True)
class Packed:
    """Explained images in as few bytes as they need. n images, m maps of each.

    Attributes:
        arrays: `images` (n, c, h, w) uint8; `maps` (n, m, h, w) int16, times `steps` (n, m) float32
            an attribution; `shown` (n, m), the class of each map; `probabilities` (n, k), `sums`
            (n, k), `baseValues` (k,) float32; `labels` and `indices` (n,).
        size: The lengths n, c, h, w, m, k.
        block: Side in pixels of the squares that were averaged, 1 for none.
        error: Largest distance of an unpacked attribution from the packed one, output units.
    """

    arrays: Mapping[str, NDArray[Any]]
    size: Mapping[str, int]
    block: int
    error: float


def pack(explanation: Explanation, summary: Summary) -> Packed:
    """Choose the images that fit and reduce their maps to 16 bits, each map with its own step.

    Where not all images fit, the mistakes that surprise most come first.
    """
    block = -(-max(explanation.images.shape[2:]) // SIDE)
    shown = shown_classes(explanation.probabilities, explanation.labels)
    _, channels, height, width = average(explanation.images[:1], block).shape
    n_classes, n_maps = explanation.probabilities.shape[1], shown.shape[1]
    bytes_each = height * width * (channels + 2 * n_maps) + 4 * (2 * n_maps + 2 * n_classes + 2)
    room = max(1, PACKED_BYTES * 3 // 4 // bytes_each)  # base64 makes 4 bytes of 3
    chosen = _choose(explanation, min(room, MOST_IMAGES))
    size = {"n": len(chosen), "c": channels, "h": height, "w": width, "m": n_maps, "k": n_classes}
    maps = np.empty((len(chosen), n_maps, height, width), np.int16)
    steps = np.empty((len(chosen), n_maps), np.float32)
    error = 0.0
    images = tqdm(chosen, desc="pack images", unit="image", leave=False, delay=1, disable=None)
    for place, image in enumerate(images):
        values = explanation.values[image].sum(axis=0, dtype=np.float64)[..., shown[image]]
        exact = average(values.transpose(2, 0, 1), block)
        maps[place], steps[place], distance = _pack_maps(exact)
        error = max(error, distance)
    arrays = {
        "images": average(explanation.images[chosen], block),
        "maps": maps,
        "steps": steps,
        "shown": shown[chosen].astype(np.int32),
        "probabilities": explanation.probabilities[chosen].astype(np.float32),
        "sums": summary.sums[chosen].astype(np.float32),
        "baseValues": explanation.base_values.astype(np.float32),
        "labels": explanation.labels[chosen].astype(np.int32),
        "indices": explanation.indices[chosen].astype(np.int32),
    }
    return Packed(arrays, size, block, error)


def _pack_maps(exact: NDArray[np.float64]) -> tuple[NDArray[np.int16], NDArray[np.float32], float]:
    """Maps (m, h, w) in whole steps, the size of each map's step, the largest error."""
    steps = (np.abs(exact).max(axis=(1, 2)) / STEPS).astype(np.float32)
    step = np.where(steps > 0, steps, 1).astype(np.float64)[:, None, None]
    maps = np.clip(np.rint(exact / step), -STEPS, STEPS)
    return maps.astype(np.int16), steps, float(np.abs(exact - maps * step).max())


def _choose(explanation: Explanation, room: int) -> NDArray[np.int64]:
    """All images in order; where there is no room for all, the most surprising mistakes first."""
    of_true = np.take_along_axis(explanation.probabilities, explanation.labels[:, None], axis=1)
    right = explanation.predicted == explanation.labels
    order = np.lexsort((np.where(right, 0, of_true[:, 0]), right))  # stable, by the last key first
    return np.sort(order[:room])
