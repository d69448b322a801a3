"""The network with its first layer, and the checkpoint it is kept in."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from stages.pipeline.errors import UserError
from stages.pipeline.files import read_json, write_json
from stages.pipeline.plugins import load_plugin
from stages.pipeline.splits import Facts


class Standardize(nn.Module):
    """First layer: pixels 0 … 255, as uint8 or float, to mean 0 and standard deviation 1.

    Args:
        mean: For each channel, on the scale [0, 1].
        std: For each channel, on the scale [0, 1].
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).mul(255).view(1, -1, 1, 1))
        self.register_buffer("scale", torch.tensor(std).mul(255).reciprocal().view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Map (n, c, h, w) to the same shape."""
        return (images - self.mean) * self.scale


def build_network(architecture: str, facts: Facts) -> nn.Module:
    """Build a network with fresh weights that maps raw images to logits.

    Args:
        architecture: Name of a file in `stages/architectures/`.
        facts: What the images are.

    Raises:
        UserError: The file does not build a network for such images.
    """
    plugin = load_plugin("architectures", architecture, ("build",))
    n_classes = len(facts.class_names)
    body = plugin.build(facts.channels, facts.image_size, n_classes)
    network = nn.Sequential(Standardize(facts.mean, facts.std), body)
    shape = tuple(_probe(network, facts).shape)
    if shape != (1, n_classes):
        raise UserError(
            f"stages/architectures/{architecture}.py: gives an output of shape {shape} for one "
            f"image of {n_classes} classes, expected (1, {n_classes})"
        )
    return network


@torch.no_grad()
def _probe(network: nn.Module, facts: Facts) -> Tensor:
    image = torch.zeros(1, facts.channels, *facts.image_size)
    output: Tensor = network.eval()(image)
    return output


def save_network(folder: Path, network: nn.Module, architecture: str, facts: Facts) -> None:
    """Write the weights and what is needed to rebuild the network around them."""
    weights = {name: tensor.contiguous().cpu() for name, tensor in network.state_dict().items()}
    save_file(weights, folder / "weights.safetensors")
    write_json(folder / "network.json", {"architecture": architecture, "facts": vars(facts)})


def load_network(folder: Path, device: torch.device) -> tuple[nn.Module, Facts]:
    """Rebuild the network, in eval mode, and say what it was trained on."""
    about: dict[str, Any] = read_json(folder / "network.json")
    facts = Facts.from_json(about["facts"])
    network = build_network(about["architecture"], facts)
    network.load_state_dict(load_file(folder / "weights.safetensors"))
    return network.to(device).eval(), facts


@torch.no_grad()
def predict(network: nn.Module, images: Tensor, batch_size: int = 1000) -> Tensor:
    """Outputs of a network for many images, a batch at a time.

    Args:
        network: In eval mode; maps (n, c, h, w) to (n, k).
        images: (n, c, h, w), on the network's device.
        batch_size: Bounds the memory, changes nothing else.

    Returns:
        (n, k), on the network's device.
    """
    return torch.cat([network(batch) for batch in images.split(batch_size)])
