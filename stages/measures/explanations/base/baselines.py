"""Baselines: maps that ignore the network, to compare a measure with."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stages.base.files.arrays import concatenate_on_disk

AT_ONCE = 64  # images in memory


def edges(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Strength of the edges in images (n, c, h, w): (n, h, w).

    The magnitude of the Sobel filters' responses over both directions and all channels; images are
    padded with their border pixels.
    """
    return concatenate_on_disk(map(_edges, _batches(images)))


def _edges(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    padded = np.pad(images.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    down = padded[..., 2:, :] - padded[..., :-2, :]  # (n, c, h, w + 2)
    across = padded[..., 2:] - padded[..., :-2]  # (n, c, h + 2, w)
    vertical = down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]
    horizontal = across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]
    return np.asarray(np.sqrt((vertical**2 + horizontal**2).sum(axis=1)))


def noise(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Independent normal numbers, the same at each call: (n, h, w) for images (n, c, h, w)."""
    draw = np.random.default_rng(0)
    return concatenate_on_disk(
        draw.standard_normal((len(batch), *batch.shape[2:])) for batch in _batches(images)
    )


def _batches(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, len(images), AT_ONCE):
        yield images[start : start + AT_ONCE]


BASELINES = {"edges": edges, "random": noise}
