"""Support for model libraries: network names, arguments, three channels."""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError
from torch import Tensor, nn

from stages.base.errors import extras
from stages.base.errors.user import UserError

# Arguments of the libraries' builders that users cannot set, and why.
NOT_OPTIONS = {
    **dict.fromkeys(
        ["in_chans", "img_size", "image_size", "input_size"], "follows from the images"
    ),
    **dict.fromkeys(["aux_logits", "features_only"], "networks must have one output"),
    **dict.fromkeys(["weights", "pretrained", "checkpoint_path"], "use model.weights"),
}


class GreyAsColor(nn.Module):
    """Repeats a grey image in three channels."""

    def forward(self, images: Tensor) -> Tensor:
        """Map (n, 1, h, w) to (n, 3, h, w)."""
        return images.expand(-1, 3, -1, -1)


def for_channels(channels: int, network: nn.Module) -> nn.Module:
    """A network for 1 or 3 channels, made from one for 3.

    Raises:
        UserError: The images have another number of channels.
    """
    if channels not in (1, 3):
        raise UserError(
            f"model.architecture: networks of libraries take images of 1 or 3 channels (got "
            f"{channels}); choose convnet, lenet, resnet or vit"
        )
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


def missing_extra(library: str, error: ImportError) -> UserError:
    """The error for an optional library that is not installed; the extra has the same name."""
    return extras.missing_extra("model.architecture", library, error)


def argument_errors(
    name: str, builder: Callable[..., nn.Module], arguments: Mapping[str, Any]
) -> list[str]:
    """One line for each argument that a builder does not accept."""
    lines = [
        f"  {key}: is not an option ({reason}); remove it"
        for key, reason in NOT_OPTIONS.items()
        if key in arguments
    ]
    if arguments.get("num_classes", 1) != 1:
        lines.append(
            f"  num_classes: must be 1, for one logit and two classes (got "
            f"{arguments['num_classes']}); leave it out for one logit per class"
        )
    if lines or (error := rejection(builder, arguments)) is None:
        return lines
    kind = type(_without_memory(builder))
    accepted = inspect.signature(kind).parameters.keys() - NOT_OPTIONS.keys()
    return [
        f"  name: {name} does not accept the other options: {type(error).__name__}: {error}; "
        f"its class {kind.__name__} accepts {', '.join(sorted(accepted))}"
    ]


def rejection(builder: Callable[..., nn.Module], arguments: Mapping[str, Any]) -> Exception | None:
    """The exception of a builder that does not accept its arguments; None if there is none.

    Builders pass arguments on to other functions, so no signature lists them all. Instead, the
    network is built on the meta device, where weights take neither time nor memory. A few networks
    cannot be built there; errors in their arguments are only found when the network is used.
    """
    if not arguments:
        return None
    try:
        _without_memory(builder)
    except Exception:  # any: not all of a library's code supports this device
        return None
    try:
        _without_memory(builder, **arguments)
    except Exception as error:  # any: the library gets unchecked values
        return error
    return None


def _without_memory(builder: Callable[..., nn.Module], **arguments: Any) -> nn.Module:
    with torch.device("meta"):
        return builder(**arguments)
