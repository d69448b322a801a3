"""Thumbnails of an image's maps over the trainings: means in colours, noise in grey."""

import numpy as np
from numpy.typing import NDArray

from stages.drawing.grain import block_sums, spread
from stages.drawing.thumbnails import Painter
from tools.retraining.bands import Bands
from tools.retraining.results import Results

HEADS = (
    "image",
    "this run",
    "mean",
    "s.d. trainings",
    "s.d. backgrounds",
    "s.d. both",
    "same sign",
)
READING_HEADS = ("image", "mean of reading 1", "mean of reading 2")
BLACK = 0.5  # share of the maps' scale at which a deviation is drawn black
NONE = 0.5  # agreement that is drawn black


def image_strip(results: Results, painter: Painter, row: int) -> list[NDArray[np.uint8]]:
    """An image, this run's map, the mean, the noise in grey, and where the trainings agree."""
    sample, scale = results.sample, painter.scale
    errors = None if sample.squared_errors is None else sample.squared_errors[[row]]
    bands = Bands(sample.maps[:, [row]], errors).in_blocks(scale.grain)
    image = sample.explanation.images[sample.images[row]]
    colored = painter.paint(image, np.stack([bands.maps[0, 0], bands.mean[0]]).astype(np.float64))
    deviations = [bands.over_trainings, bands.over_backgrounds, bands.together]
    grey = [1 - np.nan_to_num(d[0]) / (BLACK * scale.limit) for d in deviations if d is not None]
    grey.append((bands.agreement[0] - NONE) / (1 - NONE))
    return [*colored, *(_shade(painter, values, image.shape[1:]) for values in grey)]


def reading_strip(results: Results, painter: Painter, row: int) -> list[NDArray[np.uint8]]:
    """An image and the mean map of each of its two readings."""
    sample, readings = results.sample, results.readings[row]
    means = [
        sample.maps[readings == reading, row].mean(axis=0, dtype=np.float64) for reading in (1, 2)
    ]
    image = sample.explanation.images[sample.images[row]]
    return painter.paint(image, block_sums(np.stack(means), painter.scale.grain))


def _shade(
    painter: Painter, brightness: NDArray[np.float64], size: tuple[int, ...]
) -> NDArray[np.uint8]:
    """A thumbnail in grey of values by block, 0 for black and 1 for white."""
    height, width = size[-2:]
    pixels = spread(np.clip(brightness, 0, 1), painter.scale.grain, (height, width))
    return painter.fit.photo(np.rint(255 * pixels).astype(np.uint8)[None])
