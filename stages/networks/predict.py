"""Outputs of a network: which, and for many images."""

from collections.abc import Iterator
from itertools import chain
from typing import Literal

import torch
from torch import Tensor, nn
from tqdm import tqdm

from stages.networks.parallel import one_core_each

BATCH_SIZE = 256


def predict(network: nn.Module, images: Tensor, batch_size: int = BATCH_SIZE) -> Tensor:
    """Outputs of a network for many images.

    Args:
        network: In eval mode; maps (n, c, h, w) to (n, k).
        images: (n, c, h, w), on the network's device.
        batch_size: How many images pass the network at once.

    Returns:
        (n, k), on the network's device; the same to the bit on any number of processor cores.
    """
    return torch.cat(list(predict_batches(network, images, images.device, batch_size)))


def predict_batches(
    network: nn.Module, images: Tensor, device: torch.device, batch_size: int = BATCH_SIZE
) -> Iterator[Tensor]:
    """The same, batch after batch, of images that need not be on the network's device."""

    @torch.no_grad()  # here, since it holds for a thread
    def outputs(batch: Tensor) -> Tensor:
        found: Tensor = network(batch.to(device))
        return found

    first, *others = images.split(batch_size)
    with (
        one_core_each(device) as run,
        tqdm(
            total=len(images), desc="predict", unit="image", leave=False, delay=1, disable=None
        ) as progress,
    ):
        # The first one alone, since some networks keep what their first run computed.
        for part in chain(map(outputs, [first]), run(outputs, others)):
            yield part
            progress.update(len(part))


def with_output(network: nn.Module, output: Literal["logits", "probabilities"]) -> nn.Module:
    """The network that maps images to the output which is explained, from one that gives logits."""
    return network if output == "logits" else nn.Sequential(network, nn.Softmax(dim=1)).eval()
