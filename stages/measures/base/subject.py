"""What an explanation is measured on, whichever method made it."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A network, and the images whose explanations are measured. n images, c channels, h, w.

    Attributes:
        network: Maps images to logits (n, k).
        explained: Maps images to the outputs that were explained (n, k): logits or probabilities.
        images: (n, c, h, w), of any type, anywhere; they may be larger than memory.
        background: Images that stand for "no information" (b, c, h, w), float, on the network's
            device.
        predicted: The class of the highest probability (n,).
        runner_up: The class of the second highest (n,).
        seed: For methods that sample.
    """

    network: nn.Module
    explained: nn.Module
    images: Tensor
    background: Tensor
    predicted: NDArray[np.int64]
    runner_up: NDArray[np.int64]
    seed: int

    def image(self, number: int) -> Tensor:
        """One of the images (c, h, w), as the network takes it."""
        return self.images[number].to(self.background)

    def references(self, size: int) -> Tensor:
        """Some of the background images, the same at each call; all if there are no more."""
        drawn = np.random.default_rng(0).permutation(len(self.background))[:size]
        return self.background[torch.from_numpy(drawn).to(self.background.device)]

    def part(self, n_images: int, n_background: int) -> "Subject":
        """The first images, against some of the background: fewer of either if there are fewer."""
        return replace(
            self,
            images=self.images[:n_images],
            background=self.references(n_background),
            predicted=self.predicted[:n_images],
            runner_up=self.runner_up[:n_images],
        )


def two_most_probable(
    probabilities: NDArray[np.floating],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The predicted class and the runner-up (n,) of probabilities (n, k)."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    return order[:, 0], order[:, 1]


def measurable(maps: NDArray[np.floating]) -> NDArray[np.int64]:
    """Numbers of the images that have a map: those of (n, h, w) without NaN."""
    return np.flatnonzero([not np.isnan(image).any() for image in maps])
