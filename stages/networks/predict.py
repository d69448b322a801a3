"""Outputs of a network for many images, as logits or probabilities."""

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
        batch_size: Number of images in a forward pass.

    Returns:
        (n, k), on the network's device; the same to the bit on any number of CPU cores.
    """
    return torch.cat(list(predict_batches(network, images, images.device, batch_size)))


def predict_batches(
    network: nn.Module, images: Tensor, device: torch.device, batch_size: int = BATCH_SIZE
) -> Iterator[Tensor]:
    """Yield outputs as `predict` computes them, batch by batch, for images on any device."""

    @torch.no_grad()  # here, since the setting belongs to a thread
    def outputs(batch: Tensor) -> Tensor:
        batch_outputs: Tensor = network(batch.to(device))
        return batch_outputs

    first, *others = images.split(batch_size)
    with (
        one_core_each(device) as run,
        tqdm(
            total=len(images), desc="predict", unit="image", leave=False, delay=1, disable=None
        ) as progress,
    ):
        # First a single batch, since some networks cache results of their first run.
        for batch_outputs in chain(map(outputs, [first]), run(outputs, others)):
            yield batch_outputs
            progress.update(len(batch_outputs))


def with_output(network: nn.Module, output: Literal["logits", "probabilities"]) -> nn.Module:
    """A network that maps images to the explained output, made from one that returns logits."""
    return network if output == "logits" else nn.Sequential(network, nn.Softmax(dim=1)).eval()
