"""Images that ship with the repository, and a network that learned digits in seconds."""

import lzma
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stages.architectures.convnet import build
from stages.networks.build import Standardize, Statistics
from tests.conftest import ROOT

SIZE = (28, 28)
N_TRAINING = 6000


def embedded(name: str, n: int) -> NDArray[np.uint8]:
    """The first n images (n, 1, 28, 28) of an archive, such as `mnist/train`."""
    with lzma.open(ROOT / f"data/embedded/{name}-images-idx3-ubyte.xz") as file:
        content = file.read(16 + n * 784)[16:]
    return np.frombuffer(content, np.uint8).reshape(n, 1, *SIZE).copy()


def labels_of(name: str, n: int) -> NDArray[np.int64]:
    """Their labels (n,)."""
    with lzma.open(ROOT / f"data/embedded/{name}-labels-idx1-ubyte.xz") as file:
        return np.frombuffer(file.read(8 + n)[8:], np.uint8).astype(np.int64)


@cache
def quick_network() -> nn.Module:
    """The default network, trained for three passes over `N_TRAINING` digits."""
    torch.manual_seed(0)
    network = nn.Sequential(Standardize(Statistics((0.1307,), (0.3081,))), build(1, SIZE, 10))
    images = torch.from_numpy(embedded("mnist/train", N_TRAINING)).float()
    labels = torch.from_numpy(labels_of("mnist/train", N_TRAINING))
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    for _ in range(3):
        for batch in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images[batch]), labels[batch]).backward()
            optimizer.step()
    return network.eval().requires_grad_(False)
