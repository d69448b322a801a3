"""Support for model libraries: network names, arguments, three channels."""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError
from torch import Tensor, nn

# Arguments of the libraries' builders that users cannot set, and why.
NOT_OPTIONS = {
    **dict.fromkeys(
        ["in_chans", "img_size", "image_size", "input_size"], "follows from the images"
    ),
    **dict.fromkeys(["num_classes"], "follows from the data set"),
    **dict.fromkeys(["aux_logits", "features_only"], "networks must have one output"),
    **dict.fromkeys(["weights", "pretrained", "checkpoint_path"], "use model.weights"),
}


class GreyAsColor(nn.Module):
    """Repeats a grey image in three channels."""

    def forward(self, images: Tensor) -> Tensor:
        """Map (n, 1, h, w) to (n, 3, h, w)."""
        return images.expand(-1, 3, -1, -1)


def for_channels(channels: int, network: nn.Module) -> nn.Module:
    """A network for 1 or 3 channels, made from one for 3."""
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

    Builders pass arguments on to other functions, so no signature lists them all. Instead, the
    network is built on the meta device, where weights take neither time nor memory. A few networks
    cannot be built there; errors in their arguments are only found when the network is used.
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
    except Exception:  # any: not all of a library's code supports this device
        return []
    try:
        with torch.device("meta"):
            builder(**arguments)
    except Exception as error:  # any: the library gets unchecked values
        accepted = inspect.signature(type(plain)).parameters.keys() - NOT_OPTIONS.keys()
        return [
            f"  name: {name} does not accept the other options: {type(error).__name__}: {error}; "
            f"its class {type(plain).__name__} accepts {', '.join(sorted(accepted))}"
        ]
    return []
