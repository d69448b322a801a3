"""Outputs of a network for many images, as logits or probabilities."""

from collections.abc import Iterator
from itertools import chain
from typing import Literal

import torch
from torch import Tensor, nn

from stages.base.run.bars import ProgressBar
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
        ProgressBar[None](desc="predict", unit="image", total=len(images)) as progress,
    ):
        # First a single batch, since some networks cache results of their first run.
        for batch_outputs in chain(map(outputs, [first]), run(outputs, others)):
            yield batch_outputs
            progress.update(len(batch_outputs))


def probabilities_of(logits: Tensor, multiple: bool = False) -> Tensor:
    """Probabilities (n, k) from logits (n, k): the softmax, or a sigmoid for each label.

    Args:
        logits: The network's outputs.
        multiple: Whether an image may have several labels, `DatasetInfo.multiple`.
    """
    return logits.sigmoid() if multiple else logits.softmax(dim=1)


def with_output(
    network: nn.Module, output: Literal["logits", "probabilities"], multiple: bool = False
) -> nn.Module:
    """A network that maps images to the explained output, made from one that returns logits.

    Args:
        network: Maps images to logits (n, k).
        output: The explained output.
        multiple: As for `probabilities_of`.
    """
    if output == "logits":
        return network
    return nn.Sequential(network, nn.Sigmoid() if multiple else nn.Softmax(dim=1)).eval()
