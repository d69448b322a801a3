"""Explained images packed into the bytes that the explorer page has room for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation
from stages.base.run.bars import ProgressBar
from stages.drawing.grain import block_sums, grain_choices, is_fine
from stages.drawing.scale import visible
from stages.explorer.photographs import PackedPhotos
from stages.figures.displayed_maps import TOP_MAPS, shown_maps
from stages.measures.attributions.summary import Summary

PACKED_BYTES = 7_000_000  # Base64 text of all arrays; the whole page stays under 8 MB
MOST_IMAGES = 1000  # keeps the gallery fast
MOST_PHOTOS = 100


@dataclass(frozen=True)
class Packed:
    """Packed images: n images with m maps each.

    Attributes:
        chosen: Indices of the images among the explained images (n,).
        arrays: `maps` (n, m, h', w') int16, for large images int8, which give attributions by block
            when multiplied by `steps` (n, m) float32; `errors` (n, m, h', w') uint8, which give
            standard errors when multiplied by `errorSteps` (n, m) float32, both empty without error
            bars; `shown` (n, m), the class of each map; `sums` (n, m), `probabilities` (n, k),
            `baseValues` (k,) float32; `labels` (n,) or (n, k); of small images `images`
            (n, c, h, w) and `backgroundMean` (c, h, w) uint8, as they are shown; of large images
            with segments `segmentSums` and, with error bars, `segmentErrors` (n, m, r) float32.
        photos: The large images and their segments; None for small images.
        size: The lengths n, c, h, w, m, k.
        block: Side in pixels of the blocks over which the maps are summed, 1 for small images.
        rounding: Largest rounding error of attributions and of standard errors, in output units.
    """

    chosen: NDArray[np.int64]
    arrays: Mapping[str, NDArray[Any]]
    photos: PackedPhotos | None
    size: Mapping[str, int]
    block: int
    rounding: tuple[float, float]


def pack(explanation: Explanation, summary: Summary, taken: int = 0) -> Packed:
    """Choose the images that fit, and round each map to whole steps.

    If not all images fit, the most surprising mistakes come first. Of large images, maps have the
    finest blocks with which all of up to a hundred images fit.

    Args:
        explanation: The images and maps.
        summary: Sums of the attributions.
        taken: Bytes of `PACKED_BYTES` that other content of the page needs.
    """
    height, width = explanation.images.shape[2:]
    fine = is_fine((height, width))
    shown = most_probable_first(explanation) if fine else shown_maps(explanation)
    n_classes, n_maps = explanation.probabilities.shape[1], shown.shape[1]
    chosen, block, photos = _fitting(explanation, n_maps, PACKED_BYTES - taken)
    # A standard error from ten groups is itself uncertain by a quarter: 8 bits are enough.
    maps = _PackedMaps(np.dtype(np.int8 if fine else np.int16))
    errors = _PackedMaps(np.dtype(np.uint8))
    arrays: dict[str, NDArray[Any]] = {}
    indices = ProgressBar(chosen, desc="pack images", unit="image")
    for position, index in enumerate(indices):
        exact = explanation.maps(index, shown[index])
        map_errors = explanation.map_errors(index, shown[index])
        maps.add(block_sums(exact, block))
        if map_errors is not None:
            errors.add(block_sums(map_errors, block))
        if photos is not None:
            photos.add_sums(position, exact, map_errors)
    if photos is None:
        arrays["images"] = visible(explanation.images[chosen])
        arrays["backgroundMean"] = visible(background_mean(explanation)[None])[0]
    else:
        arrays |= photos.arrays
    arrays |= {
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
    channels = visible(explanation.images[:1]).shape[1]
    lengths = (len(chosen), channels, height, width, n_maps, n_classes)
    size = dict(zip("nchwmk", lengths, strict=True))
    return Packed(chosen, arrays, photos, size, block, (maps.rounding, errors.rounding))


def most_probable_first(explanation: Explanation) -> NDArray[np.int64]:
    """Map indices (n, up to ten) of the most probable classes, the most probable first."""
    probabilities = np.take_along_axis(explanation.probabilities, explanation.classes, axis=1)
    return np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP_MAPS].astype(np.int64)


def _fitting(
    explanation: Explanation, n_maps: int, room: int
) -> tuple[NDArray[np.int64], int, PackedPhotos | None]:
    """The images that fit into `room` bytes of Base64 text, the side of a block, the photos."""
    room = room * 3 // 4  # Base64 makes 4 bytes of 3
    _, channels, height, width = visible(explanation.images[:1]).shape
    n_classes = explanation.probabilities.shape[1]
    bytes_per_block, bytes_per_map = (2, 12) if explanation.errors is None else (3, 16)
    longest = max(len(json.dumps(title)) for title in explanation.titles)  # names are not longer
    bytes_each = bytes_per_map * n_maps + 4 * (n_classes + explanation.labels[0].size) + 2 * longest
    if not is_fine((height, width)):
        bytes_each += height * width * (channels + bytes_per_block * n_maps)
        chosen = _choose(explanation, min(max(1, room // bytes_each), MOST_IMAGES))
        return chosen, 1, None
    chosen = _choose(explanation, MOST_PHOTOS)
    photos = PackedPhotos.of(explanation, chosen, n_maps)
    bytes_each += photos.n_bytes // len(chosen)
    for block in grain_choices((height, width)):
        n_blocks = -(-height // block) * -(-width // block)
        n_fitting = room // (bytes_each + n_blocks * (bytes_per_block - 1) * n_maps)
        if n_fitting >= len(chosen):
            return chosen, block, photos
    chosen = _choose(explanation, max(1, n_fitting))
    return chosen, block, PackedPhotos.of(explanation, chosen, n_maps)


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
    is_true, probabilities = explanation.is_true, explanation.probabilities
    right = (is_true == explanation.is_predicted).all(axis=1)
    if explanation.multiple:  # the label that is furthest from the truth
        truth = np.where(is_true, probabilities, 1 - probabilities).min(axis=1)
    else:
        truth = np.take_along_axis(probabilities, explanation.labels[:, None], axis=1)[:, 0]
    order = np.lexsort((np.where(right, 0, truth), right))  # stable; the last key comes first
    return np.sort(order[:room])
