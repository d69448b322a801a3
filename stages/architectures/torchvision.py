"""Any classification network of torchvision, with fresh weights: `{name: resnet18}`.

Further options are arguments of the builder: `{name: resnet18, zero_init_residual: true}`. For two
classes, `{name: resnet18, num_classes: 1}` has one logit.
"""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from torch import nn
from torchvision import models

from stages.architectures.base import library

LIBRARY = "torchvision"
NAMES = models.list_models(module=models)


def build(
    channels: int,
    image_size: tuple[int, int],
    n_classes: int,
    *,
    name: Annotated[str, library.network_name(NAMES, "torchvision")],
    **arguments: Any,
) -> nn.Module:
    """Build the network.

    Args:
        channels: 1 for grey images, 3 for colour.
        image_size: Height and width in pixels.
        n_classes: Number of outputs.
        name: One of `torchvision.models.list_models(module=torchvision.models)`.
        arguments: Arguments of torchvision's builder.

    Returns:
        Maps standardised images (n, channels, height, width) to logits (n, n_classes), or (n, 1)
        with `num_classes` 1.
    """
    size = _size_argument(name, image_size)
    network = _builder(name)(**{"num_classes": n_classes, **size, **arguments})
    return library.for_channels(channels, network)


def argument_errors(name: str, **arguments: Any) -> list[str]:
    """One line for each argument that torchvision's builder does not accept."""
    return library.argument_errors(name, _builder(name), arguments)


def _builder(name: str) -> Callable[..., nn.Module]:
    if name in ("googlenet", "inception_v3"):  # by default, auxiliary outputs and a warning
        return partial(models.get_model, name, aux_logits=False, init_weights=True)
    return partial(models.get_model, name)


def _size_argument(name: str, image_size: tuple[int, int]) -> dict[str, Any]:
    """The argument with the image size, for networks that are built for one size."""
    if name.startswith("vit_"):
        return {"image_size": max(image_size)}  # they accept only square images
    if name.startswith("maxvit_"):
        return {"input_size": image_size}
    return {}
