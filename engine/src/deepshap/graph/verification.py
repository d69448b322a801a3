"""Whether what was exported is what the network does, to any number of images."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from deepshap.graph.export import UnsupportedOperation
from deepshap.graph.program import Program


@dataclass(frozen=True)
class Sample:
    """What a network does to a few images.

    Attributes:
        images: Three that differ, (3, c, h, w).
        alone: Outputs of each image on its own, (3, k).
        together: Outputs of the first two, and of all three.
    """

    images: Tensor
    alone: Tensor
    together: tuple[Tensor, Tensor]


def sample(network: nn.Module, background: Tensor) -> Sample:
    """Run a network on one, two and three images. Its buffers and random numbers stay as they were.

    Raises:
        UnsupportedOperation: It fails on more than one image, or returns no tensor.
        ValueError: Its output is not of shape (n, k).
    """
    # Where there are not three images in the background, others that differ will do.
    images = torch.cat([background[:3], background[:1].flip(-1), background[:1].flip(-2)])[:3]
    alone = torch.cat([_outputs(network, image[None]) for image in images])
    return Sample(images, alone, (_outputs(network, images[:2]), _outputs(network, images)))


def check_faithful(program: Program, network: nn.Module, expected: Sample) -> None:
    """Compare the program, made from one image, with what the network does to several.

    The network rounds where the program does not. How much, each image shows on its own.

    Raises:
        UnsupportedOperation: They differ: images of a batch enter each other's outputs.
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
            "alone, or from one call to the next; it must treat the images of a batch one by one, "
            "and draw nothing",
        )


def _outputs(network: nn.Module, images: Tensor) -> Tensor:
    try:
        with _untouched(network):
            outputs = network(images.clone())
    except Exception as error:  # whatever the network raises
        if len(images) == 1:
            raise
        raise UnsupportedOperation(
            "forward",
            type(network).__name__,
            f"it fails on {len(images)} images ({error}); it must take any number of images",
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
    """Put back what a forward pass writes into buffers, and the state of random numbers."""
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        for name, buffer in network.named_buffers():
            if name in before and not torch.equal(buffer, before[name]):
                buffer.copy_(before[name])
