"""The similarity of two attribution maps, and the similarity to expect by chance.

Rank correlation of |attribution| is not among the measures: any two images with the same empty
border reach 0.9.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stages.sampling.background import group_sizes, standard_error

TOP = 0.05  # share of the pixels that count as an image's strongest
CHANGED_ERRORS = 3
ROUNDING = 1e-6  # share of the strongest attribution that float32 may lose in a sum


@dataclass(frozen=True)
class Similarity:
    """The similarity of n pairs of maps; each attribute has shape (n,).

    Attributes:
        pearson: Correlation over the pixels, with signs: -1 … 1, independent of scale. 1 for equal
            maps, 0 for a constant map and any other.
        overlap: Share of the 5 % of pixels with the strongest |attribution| that both maps have.
        moved: Σ|a - b| / (Σ|a| + Σ|b|): 0 for equal maps, 1 for maps with nothing in common.
        strength: Σ|b| / Σ|a|, the new map's over the old one's; NaN for an empty old map.
    """

    pearson: NDArray[np.float64]
    overlap: NDArray[np.float64]
    moved: NDArray[np.float64]
    strength: NDArray[np.float64]

    @classmethod
    def of(cls, old: NDArray[np.floating], new: NDArray[np.floating]) -> Self:
        """Compare maps (n, h, w), channels summed, image by image."""
        a, b = old.reshape(len(old), -1), new.reshape(len(new), -1)
        strength_a, strength_b = np.abs(a).sum(axis=1), np.abs(b).sum(axis=1)
        total = strength_a + strength_b
        pearson = (standardised(a) * standardised(b)).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            strength = np.where(strength_a > 0, strength_b / strength_a, np.nan)
            moved = np.where(total > 0, np.abs(a - b).sum(axis=1) / total, 0.0)
        n_top = max(1, round(TOP * a.shape[1]))
        in_common = [
            len(np.intersect1d(_strongest(first, n_top), _strongest(second, n_top)))
            for first, second in zip(a, b, strict=True)
        ]
        return cls(
            np.where((a == b).all(axis=1), 1.0, pearson),
            np.array(in_common) / n_top,
            moved,
            strength,
        )


def pearson_of_others(old: NDArray[np.floating], new: NDArray[np.floating]) -> float:
    """Mean correlation of each old map with the new maps of all other images.

    Args:
        old: (n, h, w).
        new: The same images' maps (n, h, w).

    Returns:
        The mean over all n (n - 1) pairs; NaN for a single image.
    """
    a, b = (standardised(maps.reshape(len(maps), -1)) for maps in (old, new))
    n_pairs = len(a) * (len(a) - 1)
    return float((a.sum(axis=0) @ b.sum(axis=0) - (a * b).sum()) / n_pairs) if n_pairs else np.nan


def pearson_of_redrawn(
    maps: NDArray[np.floating], errors: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Expected correlation of each map with one from other background images (n,).

    Both are the map T of an infinite background plus independent errors of variance e² at a pixel.
    The errors are uncorrelated, so over the pixels cov(a, b) = var(T), and
    var(a) = var(b) = var(T) + mean(e²). So the correlation is 1 - mean(e²) / var(a).

    Args:
        maps: (n, h, w).
        errors: Standard errors of the maps (n, h, w).
    """
    variance = maps.var(axis=(1, 2), dtype=np.float64)
    noise = np.square(errors, dtype=np.float64).mean(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(variance > 0, noise / variance, 0.0)
    return np.asarray(np.clip(1 - share, 0, 1))


def changed_pixels(
    old_groups: NDArray[np.floating],
    new_groups: NDArray[np.floating],
    n_background: int,
    n_train: int,
) -> NDArray[np.bool_]:
    """Pixels that differ by more than three standard errors over the background (n, h, w).

    Differences are paired: each group's new mean minus the same group's old mean.

    Args:
        old_groups: Means over the groups of the background (n, g, h, w).
        new_groups: The new version's means, against the same background images.
        n_background: Number of background images.
        n_train: Size of the training split that they were drawn from.
    """
    differences = np.subtract(new_groups, old_groups, dtype=np.float64)
    sizes = group_sizes(n_background)
    mean = np.einsum("ngyx,g->nyx", differences, sizes / n_background)
    errors = standard_error(differences, n_background, n_train)
    strongest = np.abs(old_groups).max(axis=(1, 2, 3), keepdims=True)[:, 0]
    return np.asarray(np.abs(mean) > np.maximum(CHANGED_ERRORS * errors, ROUNDING * strongest))


def standardised(maps: NDArray[np.floating]) -> NDArray[np.float64]:
    """Maps (n, p) minus their means, scaled to length 1; constant maps become 0."""
    centred = maps - maps.mean(axis=1, keepdims=True, dtype=np.float64)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(np.divide(centred, lengths, out=np.zeros_like(centred), where=lengths > 0))


def _strongest(pixels: NDArray[np.floating], number: int) -> NDArray[np.intp]:
    """Indices of the strongest pixels; the first among equally strong ones."""
    return np.argsort(-np.abs(pixels), kind="stable")[:number]
