"""Whether what was exported is what the network does, to any number of images."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from .export import UnsupportedOperation
from .program import Program


def check_faithful(program: Program, network: nn.Module, background: Tensor) -> None:
    """Compare the program, made from one image, with the network on one, two and three images.

    Raises:
        UnsupportedOperation: They differ: images of a batch enter each other's outputs.
        ValueError: The network's output is not of shape (n, k).
    """
    images = _distinct(background)
    computed = program.run(images).outputs
    for n in (3, 2, 1):
        with _untouched(network):
            expected = network(images[:n].clone())
        if not isinstance(expected, Tensor) or expected.ndim != 2:
            shape = tuple(expected.shape) if isinstance(expected, Tensor) else type(expected)
            raise ValueError(f"network: its output has the shape {shape}, expected (n, k)")
        same = expected.shape == computed[:n].shape
        scale = float(expected.abs().max())
        tolerance = {"rtol": 1e-3, "atol": 1e-3 * scale}
        if not same or not torch.allclose(computed[:n].to(expected.dtype), expected, **tolerance):
            raise UnsupportedOperation(
                "forward",
                type(network).__name__,
                f"on {n} images its outputs differ from those of each image alone, or from one "
                "call to the next; it must treat the images of a batch one by one, and draw nothing",
            )


def _distinct(background: Tensor) -> Tensor:
    """Three images that differ, where there are not three in the background."""
    images = torch.cat([background[:3], background[:1].flip(-1), background[:1].flip(-2)])
    return images[:3]


@contextlib.contextmanager
def _untouched(network: nn.Module) -> Iterator[None]:
    """Put back what a forward pass writes into buffers, and the state of random numbers."""
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    with torch.random.fork_rng(devices=[]):
        yield
    for name, buffer in network.named_buffers():
        if not torch.equal(buffer, before[name]):
            buffer.copy_(before[name])
