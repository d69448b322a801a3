"""Whether what was exported is what the network does, to any number of images."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from .export import UnsupportedOperation
from .program import Program


def check_faithful(program: Program, network: nn.Module, background: Tensor) -> None:
    """Compare the program, made from one image, with the network on one, two and three images.

    The network rounds where the program does not. How much, one image shows.

    Raises:
        UnsupportedOperation: They differ: images of a batch enter each other's outputs.
        ValueError: The network's output is not of shape (n, k).
    """
    images = _distinct(background)
    computed = program.run(images).outputs
    tolerance = 0.05 * float(computed[:1].abs().max())
    for n in (1, 2, 3):
        found = _outputs(network, images[:n]).to(computed.dtype)
        differs = found.shape != computed[:n].shape
        error = torch.inf if differs else float((found - computed[:n]).abs().max())
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
        raise UnsupportedOperation(
            "forward",
            type(network).__name__,
            f"it fails on {len(images)} images ({error}); it must take any number of images",
        ) from error
    if not isinstance(outputs, Tensor) or outputs.ndim != 2:
        shape = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ValueError(f"network: its output has the shape {shape}, expected (n, k)")
    return outputs


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
