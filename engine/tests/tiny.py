"""Explains a tiny network; cheap to import, for tests that start processes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def explained(engine: Any) -> Tensor:
    """Attributions of a tiny network, for which two of the loops run."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(18, 1)).eval()
    return engine(network, torch.rand(3, 1, 4, 4)).attribute(torch.rand(2, 1, 4, 4))
