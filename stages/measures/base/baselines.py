"""Maps that know nothing of the network, to hold a measure against."""

import numpy as np
from numpy.typing import NDArray


def edges(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Strength of the edges in images (n, c, h, w): (n, h, w).

    The magnitude of the Sobel filters' responses over both directions and all channels; beyond its
    border an image goes on as its border pixels.
    """
    padded = np.pad(images.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    down = padded[..., 2:, :] - padded[..., :-2, :]  # (n, c, h, w + 2)
    across = padded[..., 2:] - padded[..., :-2]  # (n, c, h + 2, w)
    vertical = down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]
    horizontal = across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]
    return np.asarray(np.sqrt((vertical**2 + horizontal**2).sum(axis=1)))


def noise(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Independent normal numbers, the same at each call: (n, h, w) for images (n, c, h, w)."""
    n_images, _, height, width = images.shape
    return np.random.default_rng(0).standard_normal((n_images, height, width))


BASELINES = {"edges": edges, "random": noise}
