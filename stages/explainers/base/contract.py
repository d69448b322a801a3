"""What a file in `stages/explainers/` provides, and how it is called."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.core.errors import UserError
from stages.core.plugins import load_plugin

Attribute = Callable[[Tensor], NDArray[np.floating]]


class Explainer(Protocol):
    """A module with this function."""

    def build(self, network: nn.Module, background: Tensor, seed: int) -> Attribute:
        """Prepare a method for a network.

        Args:
            network: In eval mode; maps float images (n, c, h, w) to outputs (n, k).
            background: Images that stand for "no information" (b, c, h, w), float, on the
                network's device.
            seed: For methods that sample.

        Returns:
            A function from images (n, c, h, w) to attributions (n, c, h, w, k).

        Raises:
            UserError: The network contains something that the method cannot explain.
        """


def build_explainer(name: str, network: nn.Module, background: Tensor, seed: int) -> Attribute:
    """Import `stages/explainers/<name>.py` and call its `build`, as in `Explainer.build`.

    Raises:
        UserError: The method failed, in `build` or in the function that it returned.
    """
    explainer = cast(Explainer, load_plugin("explainers", name, ("build",)))
    with _failures_as_user_errors(name):
        attribute = explainer.build(network, background, seed)

    def guarded(images: Tensor) -> NDArray[np.floating]:
        with _failures_as_user_errors(name):
            return attribute(images)

    return guarded


@contextlib.contextmanager
def _failures_as_user_errors(name: str) -> Iterator[None]:
    """Turn any exception into a `UserError` that names the method."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # a method may be a user's code, and so may the network
        raise UserError(
            f"explain.method {name}: failed on this network: {type(error).__name__}: {error}; "
            "choose another explain.method, or fix the network"
        ) from error
