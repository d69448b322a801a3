"""Explained images in as few bytes as the explorer page has room for."""

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

PACKED_BYTES = 7_000_000  # of all arrays, as text; the whole page stays under 8 MB
MOST_IMAGES = 1000  # so that the gallery stays quick


@dataclass(frozen=True)
class Packed:
    """Explained images in as few bytes as they need. n images, m maps shown of each.

    Attributes:
        chosen: Which explained images they are, as positions (n,).
        arrays: `images` (n, c, h, w) uint8; `maps` (n, m, h, w) int16, times `steps` (n, m) float32
            an attribution; `errors` (n, m, h, w) uint8, times `errorSteps` (n, m) float32 its
            standard error, both empty without error bars; `shown` (n, m), the class of each map;
            `backgroundMean` (c, h, w) uint8; `sums` (n, m), `probabilities` (n, k), `baseValues`
            (k,) float32; `labels` (n,).
        size: The lengths n, c, h, w, m, k.
        block: Side in pixels of the squares that were averaged, 1 for none. The standard error of
            an average is taken to be the average, which it is at most.
        rounding: Largest distance of an unpacked attribution, and of an unpacked standard error,
            from the exact one, output units.
    """

    chosen: NDArray[np.int64]
    arrays: Mapping[str, NDArray[Any]]
    size: Mapping[str, int]
    block: int
    rounding: tuple[float, float]


def pack(explanation: Explanation, summary: Summary, block: int, taken: int = 0) -> Packed:
    """Choose the images that fit, and reduce their maps to whole steps, different for each map.

    Where not all images fit, the mistakes that surprise most come first.

    Args:
        explanation: The images and maps.
        summary: Their sums.
        block: Side in pixels of the squares that images and maps are averaged over.
        taken: Bytes of `PACKED_BYTES` that something else on the page needs, as text.
    """
    shown = shown_maps(explanation)
    _, channels, height, width = average(explanation.images[:1], block).shape
    n_classes, n_maps = explanation.probabilities.shape[1], shown.shape[1]
    bytes_per_pixel, bytes_per_map = (2, 12) if explanation.errors is None else (3, 16)  # bytes
    bytes_each = height * width * (channels + bytes_per_pixel * n_maps)
    longest = max(len(json.dumps(title)) for title in explanation.titles)  # and a name is no longer
    bytes_each += bytes_per_map * n_maps + 4 * (n_classes + 1) + 2 * longest
    room = max(1, (PACKED_BYTES - taken) * 3 // 4 // bytes_each)  # base64 makes 4 bytes of 3
    chosen = _choose(explanation, min(room, MOST_IMAGES))
    size = {"n": len(chosen), "c": channels, "h": height, "w": width, "m": n_maps, "k": n_classes}
    # An error bar from ten groups is itself uncertain by a quarter, so that 8 bits are plenty.
    maps, errors = _PackedMaps(np.dtype(np.int16)), _PackedMaps(np.dtype(np.uint8))
    images = tqdm(chosen, desc="pack images", unit="image", leave=False, delay=1, disable=None)
    for image in images:
        maps.add(average(explanation.maps(image, shown[image]), block))
        map_errors = explanation.map_errors(image, shown[image])
        if map_errors is not None:
            errors.add(average(map_errors, block))
    arrays = {
        "images": average(explanation.images[chosen], block),
        "backgroundMean": average(background_mean(explanation)[None], block),
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
    return Packed(chosen, arrays, size, block, (maps.rounding, errors.rounding))


class _PackedMaps:
    """Maps in whole steps of an integer type, the size of the steps chosen for each map."""

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
    """All images in order; where there is no room for all, the most surprising mistakes first."""
    true_probability = np.take_along_axis(
        explanation.probabilities, explanation.labels[:, None], axis=1
    )
    right = explanation.predicted == explanation.labels
    order = np.lexsort(
        (np.where(right, 0, true_probability[:, 0]), right)
    )  # stable, by the last key first
    return np.sort(order[:room])
