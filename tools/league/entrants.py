"""The methods of the league: every file in `stages/explainers/`, and the baselines."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.base.errors.user import UserError
from stages.base.tracking.plugins import plugin_names
from stages.explainers.base.contract import build_explainer, values_of
from stages.explainers.base.slices import attributions
from stages.measures.explanations.base.baselines import BASELINES
from stages.measures.explanations.base.methods import EXACT
from stages.measures.explanations.base.subject import Subject

FLOOR = "random"
CEILING = EXACT
BASELINE_VALUES = {
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
    for name in sorted(plugin_names("explainers"), key=lambda name: (name != own, name)):
        try:
            maps_of(name, probe)
            entrants.append(Entrant(name, *values_of(name)))
        except UserError as error:
            left_out[name] = str(error)
    entrants += [Entrant(name, BASELINE_VALUES[name], False) for name in BASELINES]
    return Field(entrants, left_out)


def maps_of(name: str, subject: Subject) -> NDArray[np.float64]:
    """Maps of the subject's images by a method or baseline (n, h, w), channels summed.

    Raises:
        UserError: The method cannot explain the network, or returns values that are not finite.
    """
    if name in BASELINES:
        return BASELINES[name](subject.images.cpu().numpy())
    attribute = build_explainer(name, subject.explained, subject.background, subject.seed)
    found = attributions(attribute, subject.images, subject.predicted[:, None])
    values = np.concatenate([piece.values for piece in found])
    if not np.isfinite(values).all():
        raise UserError(
            f"stages/explainers/{name}.py: returned NaN or infinite values for this network; "
            "choose another method, or fix that file"
        )
    return np.asarray(values[..., 0].sum(axis=1, dtype=np.float64))
