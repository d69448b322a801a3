"""The methods of the league: every file in `stages/explainers/`, and the baselines."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.base.errors.user import UserError
from stages.base.tracking.plugins import plugin_names
from stages.explainers.base.contract import build_explainer, values_of
from stages.explainers.base.slices import SLICE_IMAGES
from stages.measures.explanations.base.baselines import BASELINES
from stages.measures.explanations.base.methods import EXACT
from stages.measures.explanations.base.subject import Subject

FLOOR = "random"
CEILING = EXACT
SEED = 0
_NO_UNIT = {
    "edges": "strength of the image's edges, without a unit; ignores the network",
    FLOOR: "random numbers, the same for an image at each call; ignores everything",
}


class Entrant(NamedTuple):
    """A method that takes part.

    Attributes:
        name: Name of the method's file, or of a baseline.
        values: What its values are.
        add_up: Whether they are meant to sum to output minus base value.
    """

    name: str
    values: str
    add_up: bool


@dataclass(frozen=True)
class Field:
    """Who takes part.

    Attributes:
        entrants: The methods, then the baselines, the floor last.
        left_out: Methods that cannot explain the network, with the reason.
    """

    entrants: list[Entrant]
    left_out: dict[str, str]


def field_for(subject: Subject, own: str) -> Field:
    """The methods that can explain a network, and those that cannot.

    Args:
        subject: The network; its first image and two background images are tried.
        own: The run's method, which comes first.
    """
    entrants, left_out = [], {}
    probe = subject.subset(1, 2)
    names = sorted(plugin_names("explainers"), key=lambda name: (name != own, name))
    for name in names:
        try:
            maps_by(name, probe.explained, probe.background, probe.images, probe.predicted)
            entrants.append(Entrant(name, *values_of(name)))
        except UserError as error:
            left_out[name] = str(error)
    entrants += [Entrant(name, _NO_UNIT[name], False) for name in BASELINES]
    return Field(entrants, left_out)


def maps_by(
    name: str,
    network: nn.Module,
    background: Tensor,
    images: Tensor,
    classes: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Maps by a method or baseline, channels summed.

    Args:
        name: The method or baseline.
        network: Maps images to outputs.
        background: (b, c, h, w), on the network's device.
        images: (n, c, h, w), pixels 0 … 255, any type and device.
        classes: The explained output of each image (n,).

    Returns:
        (n, h, w).

    Raises:
        UserError: The method cannot explain the network.
    """
    if name in BASELINES:
        return BASELINES[name](images.cpu().numpy())
    attribute = build_explainer(name, network, background, SEED)
    slices = zip(
        images.split(SLICE_IMAGES),
        torch.from_numpy(classes)[:, None].split(SLICE_IMAGES),
        strict=True,
    )
    found: Iterable[NDArray[np.floating]] = (attribute(*piece).values for piece in slices)
    return np.concatenate([values.sum(axis=1, dtype=np.float64)[..., 0] for values in found])
