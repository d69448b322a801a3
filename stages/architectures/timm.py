"""Any network of timm, with fresh weights: `{name: convnext_atto}`.

Further options are arguments of the builder: `{name: convnext_atto, dims: [16, 32, 64, 128]}`. For
two classes, `{name: convnext_atto, num_classes: 1}` has one logit.
"""

from functools import partial
from typing import Annotated, Any

from torch import nn

from stages.architectures.base import library

try:
    import timm
except ModuleNotFoundError as error:
    raise library.missing_extra("timm", error) from error

LIBRARY = "timm"
NAMES = timm.list_models()


def build(
    channels: int,
    image_size: tuple[int, int],
    n_classes: int,
    *,
    name: Annotated[str, library.network_name(NAMES, "timm")],
    **arguments: Any,
) -> nn.Module:
    """Build the network.

    Args:
        channels: 1 for grey images, 3 for colour.
        image_size: Height and width in pixels.
        n_classes: Number of outputs.
        name: One of `timm.list_models()`.
        arguments: Arguments of timm's builder.

    Returns:
        Maps standardised images (n, channels, height, width) to logits (n, n_classes), or (n, 1)
        with `num_classes` 1.
    """
    make = partial(timm.create_model, name, **{"num_classes": n_classes, **arguments})
    height, width = image_size
    try:  # one side for square images, since some networks accept no pair
        network = make(img_size=height if height == width else image_size)
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        network = make()  # accepts any size, so its builder has no such argument
    return library.for_channels(channels, network)


def argument_errors(name: str, **arguments: Any) -> list[str]:
    """One line for each argument that timm's builder does not accept."""
    return library.argument_errors(name, partial(timm.create_model, name), arguments)
