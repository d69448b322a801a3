"""Searches every class that can be searched, and says why others were not."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stages.artifacts.shortcuts import Shortcuts
from stages.artifacts.splits import DatasetInfo
from stages.networks.parallel import one_core_each
from stages.shortcut_search.experiment import Subject
from stages.shortcut_search.maps import BlockMaps, Chosen
from stages.shortcut_search.pasting import Laboratory
from stages.shortcut_search.results import group_of, results
from stages.shortcut_search.rule import Grid
from stages.shortcut_search.search import findings, most_passes, search
from stages.shortcut_search.strategies import strategies

LEAST_IMAGES = 20  # of a class, and of all others together
SEVERAL_LABELS = "an image may have several labels, so that pasting one removes no other"


class Network(NamedTuple):
    """A network that maps float images (n, c, h, w) to logits (n, k), and its device."""

    module: nn.Module
    device: torch.device


def search_classes(
    network: Network, chosen: Chosen, found: BlockMaps, class_names: Sequence[str], seed: int
) -> Shortcuts:
    """Search for shortcuts.

    Args:
        network: The network.
        chosen: The searched images.
        found: Their attributions and logits.
        class_names: Names of the classes.
        seed: For all draws.
    """
    predicted = np.asarray(found.logits.argmax(axis=1), np.int64)
    reasons = not_searched(predicted, len(class_names))
    classes = [number for number in range(len(class_names)) if number not in reasons]
    print(
        f"shortcuts: {len(classes)} of {len(class_names)} classes are searched, "
        f"at most {most_passes(len(classes)):,} passes of the network"
    )
    with one_core_each(network.device) as run:
        images, indices = chosen.split.images, chosen.indices
        subject = Subject(
            laboratory=Laboratory(*network, run, images, indices),
            maps=found.maps,
            predicted=predicted,
            labels=chosen.split.labels[indices],
            class_names=class_names,
            grid=Grid.of((images.shape[2], images.shape[3])),
            seed=seed,
        )
        tested = search(subject, classes)
        groups = [
            group_of(subject, number, strategy)
            for number in classes
            for strategy in strategies(found.maps[predicted == number], seed)
        ]
        about = _about(chosen, class_names, reasons, len(tested))
        return results(subject, chosen, findings(tested), groups, about)


def nothing_found(info: DatasetInfo, chosen: Chosen) -> Shortcuts:
    """The result of no search: no images were asked for, or the outputs are not per class."""
    n_classes = len(info.class_names)
    reasons = dict.fromkeys(range(n_classes), SEVERAL_LABELS) if info.multiple else {}
    nobody = chosen._replace(indices=chosen.indices[:0])
    grid = Grid.of(info.image_size)
    subject = Subject(
        laboratory=Laboratory(
            nn.Identity(), torch.device("cpu"), map, chosen.split.images, nobody.indices
        ),
        maps=np.zeros((0, *grid.shape), np.float32),
        predicted=np.zeros(0, np.int64),
        labels=np.zeros(0, np.int64),
        class_names=info.class_names,
        grid=grid,
    )
    return results(subject, nobody, [], [], _about(nobody, info.class_names, reasons, 0))


def not_searched(predicted: NDArray[np.int64], n_classes: int) -> dict[int, str]:
    """Why classes cannot be searched, by class.

    Args:
        predicted: Predicted classes of the images (n,).
        n_classes: Number of classes.
    """
    reasons = {}
    for number, count in enumerate(np.bincount(predicted, minlength=n_classes)):
        n_others = len(predicted) - count
        if count < LEAST_IMAGES:
            reasons[number] = (
                f"{count} searched images are predicted as it, at least {LEAST_IMAGES} are needed"
            )
        elif n_others < LEAST_IMAGES:
            reasons[number] = (
                f"{n_others} searched images are predicted as another class, to paste pixels into; "
                f"at least {LEAST_IMAGES} are needed"
            )
    return reasons


def _about(
    chosen: Chosen, class_names: Sequence[str], reasons: Mapping[int, str], n_tests: int
) -> dict[str, object]:
    return {
        "split": chosen.name,
        "n_tests": n_tests,
        "not_searched": {class_names[number]: reason for number, reason in reasons.items()},
    }
