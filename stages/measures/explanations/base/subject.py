"""The network and images whose explanations are measured, whichever method explained them."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.artifacts.explanation import Explanation
from stages.networks.predict import with_output


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A network, and the images whose explanations are measured. n images, c channels, h, w.

    Attributes:
        network: Maps images to logits (n, k).
        explained: Maps images to the outputs that were explained (n, k): logits or probabilities.
        images: (n, c, h, w), any type and device; they may be larger than memory.
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

    def image(self, index: int) -> Tensor:
        """One of the images (c, h, w), in the background's type and on its device."""
        return self.images[index].to(self.background)

    def references(self, size: int) -> Tensor:
        """At most `size` background images, the same at each call."""
        drawn = np.random.default_rng(0).permutation(len(self.background))[:size]
        return self.background[torch.from_numpy(drawn).to(self.background.device)]

    def subset(self, n_images: int, n_background: int) -> "Subject":
        """The first images and some background images, at most this many of each."""
        return replace(
            self,
            images=self.images[:n_images],
            background=self.references(n_background),
            predicted=self.predicted[:n_images],
            runner_up=self.runner_up[:n_images],
        )


def subject_of(explanation: Explanation, network: nn.Module, device: torch.device) -> Subject:
    """The subject of an explanation by this network, on this device."""
    predicted, runner_up = two_most_probable(explanation.probabilities)
    return Subject(
        network=network,
        explained=with_output(network, explanation.about["output"]),
        images=torch.from_numpy(explanation.images),
        background=torch.from_numpy(explanation.background).to(device).float(),
        predicted=predicted,
        runner_up=runner_up,
        seed=explanation.about["parameters"]["explain"]["seed"],
    )


def two_most_probable(
    probabilities: NDArray[np.floating],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The predicted class and the runner-up (n,) of probabilities (n, k)."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    return order[:, 0], order[:, 1]


def measurable(maps: NDArray[np.floating]) -> NDArray[np.int64]:
    """Indices of the images whose map in (n, h, w) holds no NaN."""
    return np.flatnonzero([not np.isnan(image).any() for image in maps])
