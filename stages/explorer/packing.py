"""Explained images packed into the bytes that the explorer page has room for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stages.artifacts.explanation import Explanation
from stages.drawing.thumbnails import average
from stages.figures.displayed_maps import shown_maps
from stages.measures.attributions.summary import Summary

PACKED_BYTES = 7_000_000  # Base64 text of all arrays; the whole page stays under 8 MB
MOST_IMAGES = 1000  # keeps the gallery fast


@dataclass(frozen=True)
class Packed:
    """Packed images: n images with m maps each.

    Attributes:
        chosen: Indices of the images among the explained images (n,).
        arrays: `images` (n, c, h, w) uint8; `maps` (n, m, h, w) int16, which give attributions when
            multiplied by `steps` (n, m) float32; `errors` (n, m, h, w) uint8, which give standard
            errors when multiplied by `errorSteps` (n, m) float32, both empty without error bars;
            `shown` (n, m), the class of each map; `backgroundMean` (c, h, w) uint8; `sums` (n, m),
            `probabilities` (n, k), `baseValues` (k,) float32; `labels` (n,).
        size: The lengths n, c, h, w, m, k.
        downsampling_factor: Side in pixels of the averaged squares, 1 for none. The standard
            error of an average is replaced by its upper bound, the average of standard errors.
        rounding: Largest rounding error of attributions and of standard errors, in output units.
    """

    chosen: NDArray[np.int64]
    arrays: Mapping[str, NDArray[Any]]
    size: Mapping[str, int]
    downsampling_factor: int
    rounding: tuple[float, float]


def pack(
    explanation: Explanation, summary: Summary, downsampling_factor: int, taken: int = 0
) -> Packed:
    """Choose the images that fit, and round each map to whole steps.

    If not all images fit, the most surprising mistakes come first.

    Args:
        explanation: The images and maps.
        summary: Sums of the attributions.
        downsampling_factor: Side in pixels of the squares to average, 1 for none.
        taken: Bytes of `PACKED_BYTES` that other content of the page needs.
    """
    shown = shown_maps(explanation)
    _, channels, height, width = average(explanation.images[:1], downsampling_factor).shape
    n_classes, n_maps = explanation.probabilities.shape[1], shown.shape[1]
    bytes_per_pixel, bytes_per_map = (2, 12) if explanation.errors is None else (3, 16)
    bytes_each = height * width * (channels + bytes_per_pixel * n_maps)
    longest = max(len(json.dumps(title)) for title in explanation.titles)  # names are not longer
    bytes_each += bytes_per_map * n_maps + 4 * (n_classes + 1) + 2 * longest
    room = max(1, (PACKED_BYTES - taken) * 3 // 4 // bytes_each)  # base64 makes 4 bytes of 3
    chosen = _choose(explanation, min(room, MOST_IMAGES))
    size = {"n": len(chosen), "c": channels, "h": height, "w": width, "m": n_maps, "k": n_classes}
    # A standard error from ten groups is itself uncertain by a quarter: 8 bits are enough.
    maps, errors = _PackedMaps(np.dtype(np.int16)), _PackedMaps(np.dtype(np.uint8))
    indices = tqdm(chosen, desc="pack images", unit="image", leave=False, delay=1, disable=None)
    for index in indices:
        maps.add(average(explanation.maps(index, shown[index]), downsampling_factor))
        map_errors = explanation.map_errors(index, shown[index])
        if map_errors is not None:
            errors.add(average(map_errors, downsampling_factor))
    arrays = {
        "images": average(explanation.images[chosen], downsampling_factor),
        "backgroundMean": average(background_mean(explanation)[None], downsampling_factor),
        "maps": maps.maps,
        "steps": maps.steps,
        "errors": errors.maps,
        "errorSteps": errors.steps,
        "shown": np.take_along_axis(explanation.classes, shown, axis=1)[chosen].astype(np.int32),
        "sums": np.take_along_axis(summary.sums, shown, axis=1)[chosen].astype(np.float32),
        "probabilities": explanation.probabilities[chosen].astype(np.float32),
        "baseValues": explanation.base_values.astype(np.float32),
        "labels": explanation.labels[chosen].astype(np.int32),
    }
    return Packed(chosen, arrays, size, downsampling_factor, (maps.rounding, errors.rounding))


class _PackedMaps:
    """Maps rounded to whole steps of an integer type, with a step size for each map."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype, self.rounding = dtype, 0.0
        self._maps: list[NDArray[Any]] = []
        self._steps: list[NDArray[np.float32]] = []

    def add(self, exact: NDArray[np.float64]) -> None:
        """Add the maps (m, h, w) of an image."""
        most = np.iinfo(self.dtype).max
        steps = (np.abs(exact).max(axis=(1, 2)) / most).astype(np.float32)
        step = np.where(steps > 0, steps, 1).astype(np.float64)[:, None, None]
        maps = np.clip(np.rint(exact / step), -most, most)
        self._maps.append(maps.astype(self.dtype))
        self._steps.append(steps)
        self.rounding = max(self.rounding, float(np.abs(exact - maps * step).max()))

    @property
    def maps(self) -> NDArray[Any]:
        return np.array(self._maps, self.dtype)

    @property
    def steps(self) -> NDArray[np.float32]:
        return np.array(self._steps, np.float32)


def background_mean(explanation: Explanation) -> NDArray[np.uint8]:
    """The mean of the background images (c, h, w)."""
    mean: NDArray[np.float64] = explanation.background.mean(axis=0)
    return np.rint(mean).astype(np.uint8)


def _choose(explanation: Explanation, room: int) -> NDArray[np.int64]:
    """Indices of the images in order; without room for all, the most surprising mistakes first."""
    true_probability = np.take_along_axis(
        explanation.probabilities, explanation.labels[:, None], axis=1
    )
    right = explanation.predicted == explanation.labels
    order = np.lexsort(
        (np.where(right, 0, true_probability[:, 0]), right)
    )  # stable; the last key comes first
    return np.sort(order[:room])
