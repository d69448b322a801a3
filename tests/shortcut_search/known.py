"""A network set by hand whose shortcut is known: it adds w·x of one corner for one class."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.networks.parallel import one_core_each
from stages.shortcut_search.experiment import Subject
from stages.shortcut_search.pasting import Laboratory
from stages.shortcut_search.rule import Grid

SIDE, N_CLASSES = 28, 4
CORNER = slice(0, 4)  # rows and columns of the marked corner
MARKED_CLASS, MARK, WEIGHT = 2, 200, 0.005
GAIN = WEIGHT * MARK * 16  # what a whole mark adds to the logit of the marked class

# Elsewhere the evidence is spread thinly over the picture, so that no part of it is a shortcut.
_OUTSIDE = np.ones((SIDE, SIDE), bool)
_OUTSIDE[CORNER, CORNER] = False
_RNG = np.random.default_rng(5)
PATTERNS = np.zeros((N_CLASSES, SIDE, SIDE), np.int64)
for pattern in PATTERNS:  # which sums to 0, so that bright images favour no class
    pattern[_OUTSIDE] = _RNG.permutation(np.resize([-1, 1], _OUTSIDE.sum()))


class Linear(nn.Module):
    """Each class has a faint pattern; the corner adds to one class."""

    def __init__(self, corner_weight: float = WEIGHT) -> None:
        super().__init__()
        weights = torch.from_numpy(PATTERNS).float() * 0.002
        weights[MARKED_CLASS, CORNER, CORNER] = corner_weight
        self.weights = nn.Parameter(weights.flatten(1), requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weights.T


def drawn(n_images: int, share: float, seed: int) -> tuple[NDArray[np.uint8], ...]:
    """Images (n, 1, h, w) of noise and a faint pattern, their classes, and who is marked (n,)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n_images) % N_CLASSES
    images = rng.integers(0, 120, (n_images, 1, SIDE, SIDE)).astype(np.uint8)
    images[:, 0] += ((PATTERNS[labels] > 0) * 12).astype(np.uint8)
    images[:, :, CORNER, CORNER] = rng.integers(0, 3, (n_images, 1, 4, 4))
    marked = np.zeros(n_images, bool)
    own = np.flatnonzero(labels == MARKED_CLASS)
    marked[rng.permutation(own)[: round(share * len(own))]] = True
    images[marked, :, CORNER, CORNER] = MARK
    return images, labels, marked


def attributions(network: Linear, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Exact attributions to the predicted class (n, h, w), against the mean image."""
    floats = images[:, 0].astype(np.float64)
    weights = network.weights.double().numpy().reshape(N_CLASSES, SIDE, SIDE)
    logits = floats.reshape(len(images), -1) @ weights.reshape(N_CLASSES, -1).T
    return (floats - floats.mean(axis=0)) * weights[logits.argmax(axis=1)]


@contextmanager
def subject_of(
    network: nn.Module,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    maps: NDArray[np.float64],
) -> Iterator[Subject]:
    """What is searched; maps (n, h, w)."""
    device, grid = torch.device("cpu"), Grid.of((SIDE, SIDE))
    predicted = network(torch.from_numpy(images).float()).argmax(1).numpy()
    with one_core_each(device) as run:
        yield Subject(
            laboratory=Laboratory(network, device, run, images, np.arange(len(images))),
            maps=grid.sums(maps),
            predicted=predicted,
            labels=labels,
            class_names=["a", "b", "c", "d"],
            grid=grid,
        )
