"""Outputs for an image in which background pixels replace all pixels that are not kept."""

from collections.abc import Callable

import torch
from torch import Tensor

from stages.networks.parallel import Map

BATCH_SIZE = 64  # images that pass the network at once on a core


def masked_outputs(
    run: Map, network: Callable[[Tensor], Tensor], image: Tensor, keep: Tensor, background: Tensor
) -> Tensor:
    """Outputs for masked versions of an image, mean over the replacements of the hidden pixels.

    Args:
        run: From `one_core_each`; opened once for all images, since that takes milliseconds.
        network: Maps images (n, c, h, w) to outputs (n, k).
        image: (c, h, w).
        keep: Which pixels keep the image's value (s, h, w), bool, in all channels.
        background: Images (b, c, h, w) whose pixels replace the others, one image after the other.

    Returns:
        (s, k), float64.
    """

    @torch.no_grad()  # here, since the setting belongs to a thread
    def means(masks: Tensor) -> Tensor:
        images = torch.where(masks, image, background).flatten(0, 1)  # s × b images
        images = images.to(memory_format=torch.channels_last)  # as in training: twice as fast
        outputs = torch.cat([network(batch) for batch in images.split(BATCH_SIZE)])
        by_mask: Tensor = torch.unflatten(outputs.double(), 0, (len(masks), -1))
        return by_mask.mean(1)

    masks_at_once = max(1, BATCH_SIZE // len(background))
    return torch.cat(list(run(means, keep[:, None, None].split(masks_at_once))))
