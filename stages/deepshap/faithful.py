"""Whether what was exported is what the network does, to any number of images."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .export import UnsupportedOperation
from .program import Program


@dataclass(frozen=True)
class Sample:
    """What a network does to a few images.

    Attributes:
        images: Three that differ, (3, c, h, w).
        outputs: Of the first one, two and three of them, each (n, k).
    """

    images: Tensor
    outputs: tuple[Tensor, ...]


def sample(network: nn.Module, background: Tensor) -> Sample:
    """Run a network on one, two and three images. Its buffers and random numbers stay as they were.

    Raises:
        UnsupportedOperation: It fails on more than one image.
        ValueError: Its output is not of shape (n, k).
    """
    # Where there are not three images in the background, others that differ will do.
    images = torch.cat([background[:3], background[:1].flip(-1), background[:1].flip(-2)])[:3]
    return Sample(images, tuple(_outputs(network, images[:n]) for n in (1, 2, 3)))


def check_faithful(program: Program, network: nn.Module, expected: Sample) -> None:
    """Compare the program, made from one image, with what the network does to several.

    The network rounds where the program does not. How much, one image shows.

    Raises:
        UnsupportedOperation: They differ: images of a batch enter each other's outputs.
    """
    computed = program.run(expected.images).outputs
    tolerance = 0.05 * float(computed[:1].abs().max())
    for n, outputs in enumerate(expected.outputs, 1):
        differs = outputs.shape != computed[:n].shape
        error = torch.inf if differs else float((outputs - computed[:n]).abs().max())
        if not error <= tolerance:
            raise UnsupportedOperation(
                "forward",
                type(network).__name__,
                f"on {n} {'image' if n == 1 else 'images'} its outputs differ from those of each "
                "image alone, or from one call to the next; it must treat the images of a batch "
                "one by one, and draw nothing",
            )
        if n == 1:
            tolerance = 30 * error + 1e-3 * float(computed.abs().max())


def _outputs(network: nn.Module, images: Tensor) -> Tensor:
    try:
        with _untouched(network):
            outputs = network(images.clone())
    except Exception as error:
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
