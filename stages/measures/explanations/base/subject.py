"""The network and images whose explanations are measured, whichever method explained them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.artifacts.explanation import Explanation
from stages.base.run.bars import ProgressBar
from stages.measures.explanations.base.masking import masked_outputs
from stages.measures.explanations.base.plan import REFERENCES, Plan
from stages.measures.explanations.base.saved import Input, Rows, resumed, subfolder
from stages.networks.parallel import Map, one_core_each
from stages.networks.predict import with_output

SubjectOutput = Literal["explained", "logits", "probabilities"]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A network, and the images whose explanations are measured. n images, c channels, h, w.

    Attributes:
        network: Maps images to logits (n, k).
        explained: Maps images to the outputs that were explained (n, k): logits or probabilities.
        images: (n, c, h, w), any type and device; they may be larger than memory.
        background: Images that stand for "no information" (b, c, h, w), float, on the network's
            device.
        predicted: The class that measures are about (n,): the predicted one, or the class of a
            network's one logit.
        runner_up: The class of the second highest probability (n,).
        seed: For methods that sample.
        plan: How many images are measured, and how.
        saved: Where rows are saved for a run that is resumed; None to save none.
        multiple: Whether an image may have several labels.
        contrasts: Whether maps of two classes can be subtracted: not for a network with one logit,
            nor for labels, which do not exclude each other.
    """

    network: nn.Module
    explained: nn.Module
    images: Tensor
    background: Tensor
    predicted: NDArray[np.int64]
    runner_up: NDArray[np.int64]
    seed: int
    plan: Plan
    multiple: bool = False
    contrasts: bool = True
    saved: Path | None = None

    def image(self, index: int) -> Tensor:
        """One of the images (c, h, w), in the background's type and on its device."""
        return self.images[index].to(self.background)

    def references(self, size: int) -> Tensor:
        """At most `size` background images, the same at each call."""
        drawn = np.random.default_rng(0).permutation(len(self.background))[:size]
        return self.background[torch.from_numpy(drawn).to(self.background.device)]

    def references_of(self, index: int) -> Tensor:
        """The background images that replace pixels of an image (b, c, h, w).

        The same five for all images, or one drawn for each if the plan samples.
        """
        if not self.plan.sampled:
            return self.references(REFERENCES)
        drawn = int(np.random.default_rng((1, index)).integers(len(self.background)))
        return self.background[drawn : drawn + 1]

    def masked_outputs(
        self, run: Map, output: SubjectOutput, index: int, keep: Tensor, background: Tensor
    ) -> Tensor:
        """Outputs for masked versions of an image.

        Args:
            run: As `rows` passes it on.
            output: Which output.
            index: Index of the image.
            keep: Which pixels keep the image's value (s, h, w), bool.
            background: Images (b, c, h, w) whose pixels replace the others.

        Returns:
            (s, k), float64; mean over the background.
        """
        network = self.explained
        if output != "explained":
            network = with_output(self.network, output, self.multiple)
        masks = keep.to(background.device)
        return masked_outputs(run, network, self.image(index), masks, background)

    def rows(
        self, desc: str, images: Sequence[int], compute: Callable[[Map, int], Rows], *inputs: Input
    ) -> Iterator[Rows]:
        """Yield what `compute` returns for each image, or what an interrupted run saved of it.

        Args:
            desc: What the progress bar calls it.
            images: Indices of the images.
            compute: Computes a row from a map, which runs on all cores, and the index of an image.
            inputs: What the rows depend on apart from `desc` and the run, such as a method's maps.
        """

        def from_image(number: int) -> Iterator[Rows]:
            with one_core_each(self.background.device) as run:
                for index in ProgressBar(
                    images[number:], desc=desc, unit="image", total=len(images), initial=number
                ):
                    yield compute(run, index)[None]

        return chain.from_iterable(resumed(from_image, subfolder(self.saved, desc, *inputs)))

    def subset(self, n_images: int, n_background: int) -> "Subject":
        """The first images and some background images, at most this many of each."""
        return replace(
            self,
            images=self.images[:n_images],
            background=self.references(n_background),
            predicted=self.predicted[:n_images],
            runner_up=self.runner_up[:n_images],
        )


def subject_of(
    explanation: Explanation,
    network: nn.Module,
    device: torch.device,
    plan: Plan,
    saved: Path | None = None,
) -> Subject:
    """The subject of an explanation by this network, on this device; see `Subject`."""
    _, runner_up = two_most_probable(explanation.probabilities)
    multiple = explanation.multiple
    return Subject(
        network=network,
        explained=with_output(network, explanation.about["output"], multiple),
        images=torch.from_numpy(explanation.images),
        background=torch.from_numpy(explanation.background).to(device).float(),
        predicted=explanation.measured,
        runner_up=runner_up,
        seed=explanation.about["parameters"]["explain"]["seed"],
        multiple=multiple,
        contrasts=not (multiple or explanation.one_logit),
        plan=plan,
        saved=saved,
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
