"""Checks that the exported program computes what the network does, for any number of images."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from deepshap.graph.export import OTHER_ADVICE, UnsupportedOperation, reason_of, refusal
from deepshap.graph.program import Program


@dataclass(frozen=True)
class Sample:
    """A network's outputs for a few images.

    Attributes:
        images: Three different images, (3, c, h, w).
        alone: Outputs of each image on its own, (3, k).
        together: Outputs of a batch of the first two images, and of a batch of all three.
    """

    images: Tensor
    alone: Tensor
    together: tuple[Tensor, Tensor]


def sample(network: nn.Module, background: Tensor) -> Sample:
    """Run a network on one, two and three images.

    Raises:
        UnsupportedOperation: The network fails on several images, or does not return a tensor.
        ValueError: Its output does not have the shape (n, k).
    """
    # If the background has fewer than three images, flipped copies replace the missing ones.
    images = torch.cat([background[:3], background[:1].flip(-1), background[:1].flip(-2)])[:3]
    weights = set(network.parameters())
    alone = torch.cat([_outputs(network, image[None]) for image in images])
    if set(network.parameters()) != weights:
        raise ValueError("network: it makes its weights at its first call; call it once first")
    if not bool(alone.isfinite().all()):
        raise ValueError("network: its outputs for images of the background are infinite or NaN")
    return Sample(images, alone, (_outputs(network, images[:2]), _outputs(network, images)))


def check_equivalent(program: Program, network: nn.Module, expected: Sample) -> None:
    """Compare the program, which was exported on one image, with the network on several.

    The network rounds more than the program does. The outputs of single images show how much, which
    sets the tolerance for batches.

    Raises:
        UnsupportedOperation: They differ, so images of a batch influence each other's outputs.
    """
    try:
        computed = program.run(expected.images).outputs
    except Exception as error:  # a rule may meet a use of its operation that nobody thought of
        advice = f"its rule fails ({reason_of(error)}); {OTHER_ADVICE}"
        raise refusal(error, network, advice) from error
    scale = computed.abs().amax(1)
    rounding = _error(expected.alone, computed)
    _require(rounding, 0.01 * scale, 1, network)
    tolerance = 30 * rounding + 1e-5 * scale
    for outputs in expected.together:
        n = len(outputs)
        _require(_error(outputs, computed[:n]), tolerance[:n], n, network)


def _selection(outputs: Any) -> str:
    """How to return one of the tensors in a structure; an empty text if it has none."""
    tensors = {name: x for name, x in _fields(outputs).items() if isinstance(x, Tensor)}
    if not tensors:
        return ""
    matrices = [name for name, tensor in tensors.items() if tensor.ndim == 2] or list(tensors)
    chosen = next((name for name in tensors if "logits" in name), matrices[0])
    found = ", ".join(f"output{name} {tuple(tensor.shape)}" for name, tensor in tensors.items())
    return (
        f"; pick one of {found}, for example by network.register_forward_hook("
        f"lambda module, inputs, output: output{chosen})"
    )


def _fields(outputs: Any) -> dict[str, Any]:
    """What a structure holds, by the Python that reads it: `.logits`, `['logits']` or `[0]`."""
    if dataclasses.is_dataclass(outputs):
        return {f".{name}": value for name, value in vars(outputs).items()}
    if isinstance(outputs, Mapping):
        return {f"[{name!r}]": value for name, value in outputs.items()}
    if isinstance(outputs, tuple | list):
        return {f"[{index}]": value for index, value in enumerate(outputs)}
    return {}


def _error(outputs: Tensor, computed: Tensor) -> Tensor:
    """The largest difference of each image's outputs, (n,)."""
    if outputs.shape != computed.shape:
        return computed.new_full((1,), torch.inf)
    return (outputs - computed).abs().amax(1)


def _require(error: Tensor, tolerance: Tensor, n: int, network: nn.Module) -> None:
    if not bool((error <= tolerance).all()):
        raise UnsupportedOperation(
            "forward",
            type(network).__name__,
            f"on {n} {'image' if n == 1 else 'images'} its outputs differ from those of each image "
            "alone, or between two calls; it must treat each image of a batch independently, and "
            "must not use random numbers",
        )


def _outputs(network: nn.Module, images: Tensor) -> Tensor:
    try:
        outputs = network(images.clone())
    except Exception as error:  # a network may raise anything
        sides = ", ".join(map(str, images.shape))
        advice = (
            f"it fails on images ({sides}) of {images.dtype}: {reason_of(error)}; it must take one "
            "tensor (n, c, h, w), with any number n of images"
        )
        raise refusal(error, network, advice) from error
    if not isinstance(outputs, Tensor):
        raise UnsupportedOperation(
            "forward",
            f"{type(network).__name__}.forward",
            f"it returns {type(outputs).__name__}, but must return one tensor (n, k)"
            f"{_selection(outputs)}",
        )
    if outputs.ndim != 2:
        raise ValueError(
            f"network: its output has the shape {tuple(outputs.shape)}, expected (n, k)"
        )
    return outputs
