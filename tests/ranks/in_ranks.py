"""Trains test cases in ranks: `torchrun … -m tests.ranks.in_ranks <cases.json> <folder>`.

Without torchrun, trains in one process. Rank 0 writes the history and the weights of each case.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from stages.base.run.rank import rank
from stages.networks.build import build_network
from stages.ranks.gradients import connected_ranks
from stages.training.fitting import DeviceSplit, Training, fit
from stages.training.freezing import find_head
from tests.factory import dataset_info
from tests.training.options import options


def small(n_images: int, channels: int = 1, side: int = 28) -> DeviceSplit:
    """Images of two classes: the upper half is brighter in one of them."""
    generator = torch.Generator().manual_seed(0)
    shape = (n_images, channels, side, side)
    pixels = torch.randint(0, 100, shape, dtype=torch.uint8, generator=generator)
    labels = torch.arange(n_images) % 2
    pixels[labels == 1, :, : side // 2] += 120
    return DeviceSplit(pixels, labels)


def fresh(case: dict) -> Training:
    """A new training for a case, the same in every process."""
    side, dtype = case.get("side", 28), getattr(torch, case.get("dtype", "float32"))
    info = dataset_info(("dark", "bright"), (side, side))
    torch.manual_seed(case.get("seed", 0))
    file = Path(case["file"]) if "file" in case else None  # of keras and onnx
    network = build_network(case["architecture"], info, case.get("options", {}), network_file=file)
    for module in network.modules():
        if isinstance(module, nn.Dropout) and not case.get("dropout", False):
            module.p = 0.0
    if case.get("unused", False):
        network.register_parameter("unused", nn.Parameter(torch.ones(3)))
    chosen = options(**case.get("train", {}))
    head = find_head(network, info, chosen)
    return Training(network.to(dtype), chosen, case["n_images"], case.get("seed", 0), head)


def train(case: dict, name: str, folder: Path) -> None:
    training = fresh(case)
    images = small(case["n_images"], side=case.get("side", 28))
    for _ in fit(training, images, small(case.get("n_validation", 21), side=case.get("side", 28))):
        pass
    if rank() == 0:
        training.history().to_json(folder / f"{name}.json", double_precision=15)
        weights = training.network.state_dict().items()
        save_file({key: value.contiguous() for key, value in weights}, folder / f"{name}.st")


if __name__ == "__main__":
    cases = json.loads(Path(sys.argv[1]).read_text())
    with connected_ranks(torch.device("cpu")):
        for name, case in cases.items():
            train(case, name, Path(sys.argv[2]))
