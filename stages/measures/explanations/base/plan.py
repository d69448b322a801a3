"""How thoroughly explanations are measured: on how many images, exactly or by sampling.

Measures run the network on thousands of variants of each image. Where that is too much, variants
are drawn at random. Each image draws its own, so the noise is part of the standard error.

The budget is what 60 seconds of two processor cores allow, or as much work as explain had,
whichever is more. Work is counted, not timed, so that every machine chooses the same.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from stages.artifacts.explanation import Explanation

# The measures read these, too.
GAME_IMAGES, GAME_REFERENCES, N_COALITIONS = 20, 10, 512
N_PAIRS, PASSES_OF_A_PAIR = 16, 18
REFERENCES, REMOVAL_MASKS = 5, 58

_SECONDS = 60
_FLOP_PER_S = 4e10  # two cores with AVX2, at half the rate of their matrix products
_PASSES_TO_EXPLAIN = 2  # work of a backward pass for one image, output and background image
_LEAST_IMAGES = 4  # for a standard error worth the name

Wanted = int | Literal["auto"]
"""Values of `quality.n_images`."""


class Plan(NamedTuple):
    """How thoroughly explanations are measured.

    Attributes:
        n_images: Number of images, the first explained ones, for which the network is run again.
        sampled: Whether coalitions and background images are drawn at random for each image,
            instead of all coalitions with the same background images.
        passes: Number of images that pass the network in all measures, about.
    """

    n_images: int
    sampled: bool
    passes: int

    def describe(self, n_explained: int) -> str:
        """The plan in words."""
        sampling = ", by sampling" * self.sampled
        return (
            f"{self.n_images:,} of {n_explained:,} images{sampling}, {self.passes:,} passes of the "
            "network"
        )


class Work(NamedTuple):
    """What was explained, and what is measured.

    Attributes:
        n_images: Number of explained images.
        n_maps: Maps of each image.
        n_background: Number of background images.
        n_methods: Methods that are measured.
    """

    n_images: int
    n_maps: int
    n_background: int
    n_methods: int


def plan_for(
    explanation: Explanation,
    network: nn.Module,
    device: torch.device,
    wanted: Wanted,
    others: Iterable[str],
) -> Plan:
    """The plan for an explanation; no images if there is nothing to explain.

    Args:
        explanation: What was explained.
        network: Maps images to outputs.
        device: The network's.
        wanted: As `quality.n_images`.
        others: The methods that the run's own is compared with.
    """
    n_images, *_, n_maps = explanation.values.shape
    work = Work(
        n_images=n_images,
        n_maps=n_maps,
        n_background=len(explanation.background),
        n_methods=len({explanation.about["method"], *others}),
    )
    image = torch.tensor(explanation.images[:1], device=device).float()
    n_measured = 0 if explanation.nothing_to_explain else wanted
    return choose_plan(n_measured, work, network, image)


def choose_plan(n_images: Wanted, work: Work, network: nn.Module, image: Tensor) -> Plan:
    """The plan for `quality.n_images`.

    Args:
        n_images: That many images, exactly; with `auto`, all images exactly if the budget allows
            it, else as many as it allows, by sampling.
        work: What was explained, and what is measured.
        network: Maps images to outputs.
        image: One of the images (1, c, h, w), on the network's device.
    """
    if n_images != "auto":
        return _plan(min(n_images, work.n_images), work, sampled=False)
    budget = _budget(work, network, image)
    plan = _plan(work.n_images, work, sampled=False)
    if plan.passes <= budget:
        return plan
    for count in range(work.n_images, _LEAST_IMAGES, -1):
        plan = _plan(count, work, sampled=True)
        if plan.passes <= budget:
            return plan
    return _plan(min(_LEAST_IMAGES, work.n_images), work, sampled=True)


def _plan(n_images: int, work: Work, *, sampled: bool) -> Plan:
    in_game = min(n_images, GAME_IMAGES)
    if sampled:
        game, references = N_PAIRS * PASSES_OF_A_PAIR, 1
    else:
        game = N_COALITIONS * min(GAME_REFERENCES, work.n_background)
        references = min(REFERENCES, work.n_background)
    removal = REMOVAL_MASKS * references * work.n_methods
    return Plan(n_images, sampled, in_game * game + n_images * removal)


def _budget(work: Work, network: nn.Module, image: Tensor) -> float:
    """The most passes of the network."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(image)
    affordable = _SECONDS * _FLOP_PER_S / max(counter.get_total_flops(), 1)
    pairs = work.n_images * work.n_maps * work.n_background
    return max(float(affordable), _PASSES_TO_EXPLAIN * pairs)
