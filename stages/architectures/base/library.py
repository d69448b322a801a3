"""What networks of a model library need here: a known name, valid arguments, three channels."""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError
from torch import Tensor, nn

# Arguments of the libraries' builders that are no options, and why.
NOT_OPTIONS = {
    **dict.fromkeys(["in_chans", "img_size", "image_size", "input_size"], "the images decide"),
    **dict.fromkeys(["num_classes"], "the data set decides"),
    **dict.fromkeys(["aux_logits", "features_only"], "networks here have one output"),
    **dict.fromkeys(["weights", "pretrained", "checkpoint_path"], "model.weights names a file"),
}


class GreyAsColor(nn.Module):
    """Shows a grey image to a network that takes three channels."""

    def forward(self, images: Tensor) -> Tensor:
        """Map (n, 1, h, w) to (n, 3, h, w)."""
        return images.expand(-1, 3, -1, -1)


def for_channels(channels: int, network: nn.Module) -> nn.Module:
    """A network of three channels, made to take 1 or 3 of them."""
    return network if channels == 3 else nn.Sequential(GreyAsColor(), network)


def network_name(known: Sequence[str], library: str) -> AfterValidator:
    """Require a string to be a known name; the message suggests the closest names."""

    def check(name: str) -> str:
        if name not in known:
            closest = difflib.get_close_matches(name, known, n=3, cutoff=0)
            raise PydanticCustomError(
                "unknown_network",
                "unknown network (got {name}); the closest of {library}'s {number}: {suggestion}",
                {
                    "name": repr(name),
                    "number": len(known),
                    "library": library,
                    "suggestion": ", ".join(closest),
                },
            )
        return name

    return AfterValidator(check)


def argument_errors(
    name: str, builder: Callable[..., nn.Module], arguments: Mapping[str, Any]
) -> list[str]:
    """One line for each argument that a builder does not accept.

    Builders hand arguments on to other functions, so no signature lists them all. They are tried
    instead, on the meta device, where weights take neither time nor memory. A few networks cannot
    be built there: for these, training tells.
    """
    lines = [
        f"  {key}: is not an option ({reason}); remove it"
        for key, reason in NOT_OPTIONS.items()
        if key in arguments
    ]
    if lines or not arguments:
        return lines
    try:
        with torch.device("meta"):
            plain = builder()
    except Exception:  # of any kind: the library's code, not made for this device
        return []
    try:
        with torch.device("meta"):
            builder(**arguments)
    except Exception as error:  # of any kind: the library's code, given any value
        known = inspect.signature(type(plain)).parameters.keys() - NOT_OPTIONS.keys()
        return [
            f"  name: {name} does not take the other options: {type(error).__name__}: {error}; "
            f"its class {type(plain).__name__} knows {', '.join(sorted(known))}"
        ]
    return []
