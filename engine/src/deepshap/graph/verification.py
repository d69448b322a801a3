"""Checks that the exported program computes what the network does, for any number of images."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from deepshap.graph.export import UnsupportedOperation
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
    """Run a network on one, two and three images, and restore its buffers and the random state.

    Raises:
        UnsupportedOperation: The network fails on several images, or does not return a tensor.
        ValueError: Its output does not have the shape (n, k).
    """
    # If the background has fewer than three images, flipped copies replace the missing ones.
    images = torch.cat([background[:3], background[:1].flip(-1), background[:1].flip(-2)])[:3]
    alone = torch.cat([_outputs(network, image[None]) for image in images])
    return Sample(images, alone, (_outputs(network, images[:2]), _outputs(network, images)))


def check_equivalent(program: Program, network: nn.Module, expected: Sample) -> None:
    """Compare the program, which was exported on one image, with the network on several.

    The network rounds more than the program does. The outputs of single images show how much, which
    sets the tolerance for batches.

    Raises:
        UnsupportedOperation: They differ, so images of a batch influence each other's outputs.
    """
    computed = program.run(expected.images).outputs
    scale = computed.abs().amax(1)
    rounding = _error(expected.alone, computed)
    _require(rounding, 0.01 * scale, 1, network)
    tolerance = 30 * rounding + 1e-5 * scale
    for outputs in expected.together:
        n = len(outputs)
        _require(_error(outputs, computed[:n]), tolerance[:n], n, network)


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
        with _untouched(network):
            outputs = network(images.clone())
    except Exception as error:  # a network may raise anything
        if len(images) == 1:
            raise
        raise UnsupportedOperation(
            "forward",
            type(network).__name__,
            f"it fails on {len(images)} images ({error}); it must accept any number of images",
        ) from error
    if not isinstance(outputs, Tensor):
        raise UnsupportedOperation(
            "forward",
            type(network).__name__,
            f"it returns a {type(outputs).__name__}; it must return one tensor (n, k)",
        )
    if outputs.ndim != 2:
        raise ValueError(
            f"network: its output has the shape {tuple(outputs.shape)}, expected (n, k)"
        )
    return outputs


@contextlib.contextmanager
def _untouched(network: nn.Module) -> Iterator[None]:
    """Restore buffers that a forward pass writes to, and the state of random numbers."""
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        for name, buffer in network.named_buffers():
            if name in before and not torch.equal(buffer, before[name]):
                buffer.copy_(before[name])
