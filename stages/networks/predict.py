"""Outputs of a network: which, and for many images."""

from typing import Literal

import torch
from torch import Tensor, nn
from tqdm import tqdm


@torch.no_grad()
def predict(network: nn.Module, images: Tensor, batch_size: int = 1000) -> Tensor:
    """Outputs of a network for many images, a batch at a time.

    Args:
        network: In eval mode; maps (n, c, h, w) to (n, k).
        images: (n, c, h, w), on the network's device.
        batch_size: Limits memory, changes nothing else.

    Returns:
        (n, k), on the network's device.
    """
    batches = images.split(batch_size)
    progress = tqdm(batches, desc="predict", unit="batch", leave=False, delay=1, disable=None)
    return torch.cat([network(batch) for batch in progress])


def with_output(network: nn.Module, output: Literal["logits", "probabilities"]) -> nn.Module:
    """The network that maps images to the output which is explained, from one that gives logits."""
    return network if output == "logits" else nn.Sequential(network, nn.Softmax(dim=1)).eval()
