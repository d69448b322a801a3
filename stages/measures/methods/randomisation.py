"""Model randomisation: how fast does a map change while the network's layers are re-drawn?

The layers are re-drawn one after the other from the top. A map that does not change does not show
what the network has learned, such as one that only shows the image's edges.

Source: cascading randomisation of Adebayo et al. 2018, arXiv:1810.03292.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

DESCRIPTION = (
    "similarity of the map to itself, mean over the steps in which the network's layers are "
    "re-drawn from the top; 1 for a map that ignores the network"
)
BETTER: Final = "lower"

MapsBy = Callable[[nn.Module], NDArray[np.floating]]
"""A function from a network to maps (n, h, w), always of the same images and classes."""

MOST_STEPS = 8  # of a network with more layers, evenly spaced ones
STILL_ALIKE = 0.5  # a method whose maps stay more alike with all layers re-drawn does not pass


class Randomisation(NamedTuple):
    """How alike the maps stay.

    Attributes:
        similarity: Mean over the steps, for each image (n,).
        last: With all layers re-drawn (n,).
    """

    similarity: NDArray[np.float64]
    last: NDArray[np.float64]

    @property
    def passes(self) -> bool:
        """Whether the maps change with the network: `last` is at most `STILL_ALIKE` on average."""
        return bool(np.nanmean(self.last) <= STILL_ALIKE)


def randomisation(maps_by: MapsBy, network: nn.Module, seed: int) -> Randomisation:
    """Compare the maps by a network with those by re-drawn ones.

    Args:
        maps_by: The method.
        network: In eval mode.
        seed: For the new weights.

    Raises:
        ValueError: The network has no layer that can be re-drawn.
    """
    maps = maps_by(network)
    steps = [similarity(maps, maps_by(changed)) for changed in redrawn(network, seed)]
    if not steps:
        raise ValueError("the network has no layer with parameters")
    return Randomisation(np.mean(steps, axis=0), steps[-1])


def redrawn(network: nn.Module, seed: int) -> Iterator[nn.Module]:
    """Yield the network with ever more layers re-drawn, from the top; the last has them all.

    Layers are modules with a `reset_parameters` or with parameters of their own, such as a
    transformer's positions, whose values are then shuffled. They come in the reverse order of
    their definition. It is one copy that changes, so use each before the next. Every layer is drawn
    from the same seed.
    """
    changed = copy.deepcopy(network)
    layers = [module for module in changed.modules() if _can_redraw(module)]
    n_steps = min(len(layers), MOST_STEPS)
    ends = {round((step + 1) * len(layers) / n_steps) for step in range(n_steps)}
    for number, layer in enumerate(reversed(layers), start=1):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            _redraw(layer)
        if number in ends:
            yield changed


def _can_redraw(module: nn.Module) -> bool:
    return hasattr(module, "reset_parameters") or len([*module.parameters(recurse=False)]) > 0


@torch.no_grad()
def _redraw(layer: nn.Module) -> None:
    if hasattr(layer, "reset_parameters"):
        cast(Callable[[], None], layer.reset_parameters)()
        return
    for parameter in layer.parameters(recurse=False):
        order = torch.randperm(parameter.numel()).to(parameter.device)
        parameter.copy_(parameter.flatten()[order].view_as(parameter))


def similarity(maps: NDArray[np.floating], changed: NDArray[np.floating]) -> NDArray[np.float64]:
    """How alike two maps of each image are, whatever their scale and sign.

    Args:
        maps: (n, h, w).
        changed: (n, h, w).

    Returns:
        |Pearson correlation| over the pixels (n,), so that a map whose sign alone changes counts as
        unchanged; 0 if `changed` is the same everywhere, NaN if `maps` is.
    """
    first, second = (_centred(array) for array in (maps, changed))
    lengths = np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=1)
    products = np.abs((first * second).sum(axis=1))
    known = (lengths[0] > 0) & (lengths[1] > 0)
    found = np.divide(products, lengths[0] * lengths[1], out=np.zeros(len(maps)), where=known)
    return np.where(lengths[0] > 0, found, np.nan)


def _centred(maps: NDArray[np.floating]) -> NDArray[np.float64]:
    rows = maps.reshape(len(maps), -1).astype(np.float64)
    constant = rows.max(axis=1, keepdims=True) == rows.min(axis=1, keepdims=True)
    return np.where(constant, 0, rows - rows.mean(axis=1, keepdims=True))
