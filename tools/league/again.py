"""Measures for which a method explains again: re-drawn networks, and changed images."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.artifacts.splits import is_predicted
from stages.base.errors.user import UserError
from stages.measures.explanations.base.subject import Subject
from stages.measures.methods.randomisation import Randomisation, randomisation
from stages.measures.methods.stability import stability_of
from stages.networks.predict import with_output
from tools.league.entrants import maps_of

N_IMAGES, N_BACKGROUND = 5, 10  # few, since a method explains them many times


class Again(NamedTuple):
    """What the measures say of a method.

    Attributes:
        randomisation: None where no layer can be re-drawn, or the method fails.
        stability: Change of the map over that of the output (n,); of no image where it fails.
    """

    randomisation: Randomisation | None
    stability: NDArray[np.float64]


def few_images(subject: Subject) -> Subject:
    """The images and background images that are explained again."""
    return subject.subset(N_IMAGES, N_BACKGROUND)


def explain_again(name: str, subject: Subject) -> Again:
    """Measure a method or baseline on `few_images`."""
    few = few_images(subject)
    few = replace(few, images=few.images.to(few.background))
    try:
        redrawn = _randomisation(name, few)
    except (UserError, ValueError):  # the method fails on a re-drawn network; no layer to re-draw
        redrawn = None
    try:
        stability = _stability(name, few)
    except UserError:
        stability = np.empty(0)
    return Again(redrawn, stability)


def _randomisation(name: str, subject: Subject) -> Randomisation:
    def maps_by(network: nn.Module) -> NDArray[np.float64]:
        return maps_of(name, replace(subject, explained=network))

    return randomisation(maps_by, subject.explained, subject.seed)


def _stability(name: str, subject: Subject) -> NDArray[np.float64]:
    probabilities = with_output(subject.network, "probabilities", subject.multiple)

    def maps_of_images(images: Tensor) -> NDArray[np.float64]:
        return maps_of(name, replace(subject, images=images))

    @torch.no_grad()
    def outputs_of(images: Tensor) -> NDArray[np.float64]:
        return np.asarray(subject.explained(images).double().cpu().numpy())

    @torch.no_grad()
    def predicted_of(images: Tensor) -> NDArray[np.bool_]:
        return is_predicted(probabilities(images).cpu().numpy(), subject.multiple)

    return stability_of(maps_of_images, outputs_of, predicted_of, subject.images, subject.seed)
