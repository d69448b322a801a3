"""The function that a file in `stages/explainers/` provides, and how it is called."""

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
    """Attributions that a method returns for n images.

    In shapes: c channels, h height, w width, m maps of each image, g background groups.

    Attributes:
        values: Attributions (n, c, h, w, m), in output units per pixel.
        groups: Attributions relative to each background group alone, summed over channels
            (n, g, h, w, m), for the groups of `stages.sampling.background`; error bars are computed
            from them. None if the method has no groups.
    """

    values: NDArray[np.floating]
    groups: NDArray[np.floating] | None = None


Attribute = Callable[[Tensor, Tensor], Attributions]
"""A function from images (n, c, h, w) and the class of each map (n, m) to attributions."""


class Explainer(Protocol):
    """A module with this function; two more names are optional.

    `VALUES: str` says what a value is: its unit, and what the values sum to. `ADDS_UP: bool` says
    whether they are meant to sum to output minus base value, as explain requires; without it, they
    are. Write a literal: `stages/params/explain.py` reads it without importing the file.
    """

    def build(self, network: nn.Module, background: Tensor, seed: int) -> Attribute:
        """Prepare a method for a network.

        Args:
            network: In eval mode; maps float images (n, c, h, w) to outputs (n, k).
            background: Images that represent "no information" (b, c, h, w), float, on the
                network's device, group after group.
            seed: Seed for methods that sample.

        Returns:
            A function from images (n, c, h, w) and the class of each of their maps (n, m) to
            attributions. A method that always computes all classes can use `select_classes`.

        Raises:
            UserError: The method does not support an operation of the network.
        """


class ValuesOf(NamedTuple):
    """What the values of a method are.

    Attributes:
        text: Unit and sum, in words; empty if the method does not say.
        add_up: Whether they are meant to sum to output minus base value.
    """

    text: str
    add_up: bool


def values_of(name: str) -> ValuesOf:
    """What the values of `stages/explainers/<name>.py` are, as in `Explainer`."""
    explainer = load_plugin("explainers", name, ("build",))
    return ValuesOf(getattr(explainer, "VALUES", ""), getattr(explainer, "ADDS_UP", True))


def build_explainer(name: str, network: nn.Module, background: Tensor, seed: int) -> Attribute:
    """Import `stages/explainers/<name>.py` and call its `build`, as in `Explainer.build`.

    Returns:
        The method, which accepts images of any type on any device and checks shapes.

    Raises:
        UserError: The method failed, either in `build` or when called.
    """
    explainer = cast(Explainer, load_plugin("explainers", name, ("build",)))
    with _failures_as_user_errors(name):
        attribute = explainer.build(network, background, seed)

    n_groups = len(group_sizes(len(background)))

    def checked(images: Tensor, classes: Tensor) -> Attributions:
        with _failures_as_user_errors(name):
            found = attribute(images.to(background), classes)
        _require_shapes(name, found, (*images.shape, classes.shape[1]), n_groups)
        return found

    return checked


def select_classes(values: NDArray[np.floating], classes: Tensor) -> NDArray[np.floating]:
    """Attributions to the given classes.

    Args:
        values: Attributions to all k classes (n, c, h, w, k).
        classes: Class of each map of an image (n, m).

    Returns:
        (n, c, h, w, m).
    """
    return np.take_along_axis(values, classes.numpy()[:, None, None, None], axis=4)


def _require_shapes(name: str, found: Attributions, shape: tuple[int, ...], n_groups: int) -> None:
    """Reject attributions of the wrong type or shape."""
    file = f"stages/explainers/{name}.py"
    if not isinstance(found, Attributions):
        raise UserError(
            f"explain.method {name}: returned {type(found).__name__}, expected Attributions from "
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
    """Convert any exception to a `UserError` that names the method."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # methods and networks may be users' code
        if is_out_of_memory(error):
            raise
        raise UserError(
            f"explain.method {name}: failed on this network: {type(error).__name__}: {error}; "
            "choose another explain.method, or fix the network"
        ) from error
