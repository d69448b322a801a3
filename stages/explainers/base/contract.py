"""What a file in `stages/explainers/` provides, and how it is called."""

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.base.errors.memory import is_out_of_memory
from stages.base.errors.user import UserError
from stages.base.tracking.plugins import load_plugin
from stages.sampling.background import group_sizes


class Attributions(NamedTuple):
    """What a method says of some images. c channels, h height, w width, m maps of each image.

    Attributes:
        values: Attributions (n, c, h, w, m), output units per pixel.
        groups: The same, summed over the channels, against the images of each group of the
            background alone (n, g, h, w, m), for the groups of `stages.sampling.background`: from
            them the error bars are computed. None if the method has no groups.
    """

    values: NDArray[np.floating]
    groups: NDArray[np.floating] | None = None


Attribute = Callable[[Tensor, Tensor], Attributions]
"""From images (n, c, h, w) and the class of each of their maps (n, m) to attributions."""


class Explainer(Protocol):
    """A module with this function."""

    def build(self, network: nn.Module, background: Tensor, seed: int) -> Attribute:
        """Prepare a method for a network.

        Args:
            network: In eval mode; maps float images (n, c, h, w) to outputs (n, k).
            background: Images that stand for "no information" (b, c, h, w), float, on the
                network's device, group after group.
            seed: For methods that sample.

        Returns:
            A function from images (n, c, h, w), and the class of each of their maps (n, m), to
            their attributions. Some methods cost as much for all classes: `select_classes` picks.

        Raises:
            UserError: The network contains something that the method cannot explain.
        """


def build_explainer(name: str, network: nn.Module, background: Tensor, seed: int) -> Attribute:
    """Import `stages/explainers/<name>.py` and call its `build`, as in `Explainer.build`.

    Returns:
        What it returned, which here takes images of any type, on any device.

    Raises:
        UserError: The method failed, in `build` or in the function that it returned.
    """
    explainer = cast(Explainer, load_plugin("explainers", name, ("build",)))
    with _failures_as_user_errors(name):
        attribute = explainer.build(network, background, seed)

    n_groups = len(group_sizes(len(background)))

    def guarded(images: Tensor, classes: Tensor) -> Attributions:
        with _failures_as_user_errors(name):
            found = attribute(images.to(background), classes)
        _require_shapes(name, found, (*images.shape, classes.shape[1]), n_groups)
        return found

    return guarded


def select_classes(values: NDArray[np.floating], classes: Tensor) -> NDArray[np.floating]:
    """From attributions to all classes (n, c, h, w, k) those to the wanted ones (n, c, h, w, m)."""
    return np.take_along_axis(values, classes.numpy()[:, None, None, None], axis=4)


def _require_shapes(name: str, found: Attributions, shape: tuple[int, ...], n_groups: int) -> None:
    """Refuse attributions that are not as the contract says."""
    file = f"stages/explainers/{name}.py"
    if not isinstance(found, Attributions):
        raise UserError(
            f"explain.method {name}: returned {type(found).__name__}, expected Attributions, of "
            f"stages/explainers/base/contract.py; fix {file}"
        )
    if found.values.shape != shape:
        raise UserError(
            f"explain.method {name}: returned attributions of shape {found.values.shape}, "
            f"expected {shape}: images, channels, height, width, maps; fix {file}"
        )
    group_shape = (shape[0], n_groups, *shape[2:])
    if found.groups is not None and found.groups.shape != group_shape:
        raise UserError(
            f"explain.method {name}: returned groups of shape {found.groups.shape}, "
            f"expected {group_shape}: images, groups, height, width, maps; fix {file}"
        )


@contextlib.contextmanager
def _failures_as_user_errors(name: str) -> Iterator[None]:
    """Turn any exception into a `UserError` that names the method."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # a method may be a user's code, and so may the network
        if is_out_of_memory(error):
            raise
        raise UserError(
            f"explain.method {name}: failed on this network: {type(error).__name__}: {error}; "
            "choose another explain.method, or fix the network"
        ) from error
