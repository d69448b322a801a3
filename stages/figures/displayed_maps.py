"""Chooses which maps to draw of an image that has too many."""

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.explanation import ExplainedImages

ALL_MAPS_UP_TO = 12
TOP_MAPS = 10


def n_shown(n_maps: int) -> int:
    """How many maps of an image are drawn: all up to twelve, else ten."""
    return n_maps if n_maps <= ALL_MAPS_UP_TO else TOP_MAPS


def shown_maps(explained: ExplainedImages) -> NDArray[np.int64]:
    """The maps to draw of each image.

    Up to twelve maps: all, in order. More: those of the ten most probable classes, the most
    probable first; the true class replaces the last if it has a map and is not among them (not
    with several labels an image).

    Returns:
        Map indices, (n, m) or (n, 10).
    """
    n_images, n_maps = explained.classes.shape
    if n_shown(n_maps) == n_maps:
        return np.tile(np.arange(n_maps), (n_images, 1))
    probabilities = np.take_along_axis(explained.probabilities, explained.classes, axis=1)
    shown = np.argsort(-probabilities, axis=1, kind="stable")[:, :TOP_MAPS]
    if explained.multiple:  # true labels may be many, and the most probable ones come first
        return shown.astype(np.int64)
    true_map = explained.map_indices(explained.labels)
    absent = (true_map >= 0) & ~(shown == true_map[:, None]).any(axis=1)
    shown[absent, -1] = true_map[absent]
    return shown.astype(np.int64)
