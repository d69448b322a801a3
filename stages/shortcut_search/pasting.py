"""Experiments: pixels of some images are pasted into others, and the network is run on these."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.networks.parallel import Map

PASSES_AT_ONCE = 256


class Effects(NamedTuple):
    """What pasting did, for each donor and host (d, h).

    Attributes:
        moved: Change of the class's log-odds.
        flipped: Whether the host became an image of the class.
    """

    moved: NDArray[np.float64]
    flipped: NDArray[np.bool_]


@dataclass(frozen=True)
class Laboratory:
    """Images and the network to experiment on.

    Attributes:
        network: Maps float images (n, c, h, w) to logits (n, k).
        device: Where the network is.
        run: From `one_core_each`.
        images: All images of a split (N, c, h, w), uint8; they may be larger than memory.
        indices: Positions of the searched images in it (n,).
    """

    network: nn.Module
    device: torch.device
    run: Map
    images: NDArray[np.uint8]
    indices: NDArray[np.int64]

    def paste(
        self,
        class_number: int,
        donors: NDArray[np.int64],
        masks: NDArray[np.bool_],
        hosts: NDArray[np.int64],
    ) -> Effects:
        """Paste part of each donor into each host.

        Args:
            class_number: The class whose log-odds are measured.
            donors: The searched images that give pixels (d,).
            masks: Which pixels each of them gives (d, h, w).
            hosts: The searched images that receive them (t,).
        """
        receivers = self.load(hosts)
        before = log_odds(self.logits(receivers), class_number)
        size = max(1, PASSES_AT_ONCE // len(hosts))

        @torch.no_grad()  # here, since the setting belongs to a thread
        def outputs(rows: slice) -> Tensor:
            givers = self.load(donors[rows])[:, None]
            chosen = torch.from_numpy(masks[rows]).to(self.device)[:, None, None]
            pasted = torch.where(chosen, givers, receivers[None]).flatten(0, 1)
            logits: Tensor = self.network(pasted)
            return logits.cpu().double()

        slices = [slice(start, start + size) for start in range(0, len(donors), size)]
        logits = torch.cat(list(self.run(outputs, slices)))
        after = log_odds(logits, class_number).reshape(len(donors), len(hosts))
        flipped = logits.argmax(1).eq(class_number).reshape(len(donors), len(hosts))
        return Effects((after - before).numpy(), flipped.numpy())

    def load(self, rows: NDArray[np.int64]) -> Tensor:
        """Some of the searched images (n, c, h, w), float, on the device."""
        return torch.from_numpy(self.images[self.indices[rows]]).to(self.device).float()

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """Logits (n, k) of images, float64, on the CPU."""
        batches = list(images.split(PASSES_AT_ONCE))
        return torch.cat([self.network(batch) for batch in batches]).cpu().double()


def log_odds(logits: Tensor, class_number: int) -> Tensor:
    """The logit of a class minus the log of the sum of the others' exponentials.

    Args:
        logits: (n, k) or (n, 2) if the network has one logit for two classes.
        class_number: One of the k classes.

    Returns:
        (n,), float64.
    """
    others = torch.cat([logits[:, :class_number], logits[:, class_number + 1 :]], dim=1)
    return (logits[:, class_number] - others.logsumexp(dim=1)).double()
