"""The network with its first layer, and the checkpoint it is kept in."""

import contextlib
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

from stages.pipeline.errors import UserError
from stages.pipeline.files import read_json, write_json
from stages.pipeline.plugins import load_plugin
from stages.pipeline.splits import Facts

_LARGEST_SIDE = 512  # pixels; where the search for a size that works ends


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


def build_network(architecture: str, facts: Facts, **options: Any) -> nn.Module:
    """Build a network with fresh weights that maps raw images to logits.

    Args:
        architecture: Name of a file in `stages/architectures/`.
        facts: What the images are.
        options: Keyword arguments of its `build`.

    Raises:
        UserError: The file does not build a network for such images. If they are too small for
            it, says the smallest size that works.
    """
    plugin = load_plugin("architectures", architecture, ("build",))
    n_classes = len(facts.class_names)

    def build_and_run(size: tuple[int, int]) -> tuple[nn.Module, Tensor]:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
            body = plugin.build(facts.channels, size, n_classes, **options)
            return body, body.eval()(torch.zeros(1, facts.channels, *size))

    try:
        body, logits = build_and_run(facts.image_size)
    except Exception as error:  # a network is a user's code: it may fail in any way
        raise UserError(_why(error, architecture, facts, build_and_run)) from error
    if getattr(logits, "shape", None) != (1, n_classes):
        got = (
            f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        )
        raise UserError(
            f"stages/architectures/{architecture}.py: gives an output of {got} for one image of "
            f"{n_classes} classes, expected shape (1, {n_classes})"
        )
    return nn.Sequential(Standardize(facts.mean, facts.std), body)


def _why(
    error: Exception,
    architecture: str,
    facts: Facts,
    build_and_run: Callable[[tuple[int, int]], object],
) -> str:
    """Tell images that are too small from a network that does not work at all.

    Sizes are tried on the meta device, where nothing is computed but shapes.
    """
    height, width = facts.image_size
    file = f"stages/architectures/{architecture}.py"
    for side in range(min(height, width) + 1, _LARGEST_SIDE + 1):
        size = max(height, side), max(width, side)
        with contextlib.suppress(Exception), torch.device("meta"):
            build_and_run(size)
            return (
                f"{file}: images of {height}×{width} pixels are too small for this network; the "
                f"smallest that work are {size[0]}×{size[1]}: set preprocess.image_size, or "
                "choose another model.architecture"
            )
    return (
        f"{file}: does not work for images of {facts.channels}×{height}×{width} and "
        f"{len(facts.class_names)} classes: {type(error).__name__}: {error}"
    )


def save_network(
    folder: Path,
    network: nn.Module,
    architecture: str,
    options: Mapping[str, Any],
    facts: Facts,
) -> None:
    """Write the weights and what is needed to rebuild the network around them."""
    weights = {
        name: tensor.cpu().contiguous().clone() for name, tensor in network.state_dict().items()
    }
    save_file(weights, folder / "weights.safetensors")
    about = {"architecture": architecture, "options": options, "facts": vars(facts)}
    write_json(folder / "network.json", about)


def load_network(folder: Path, device: torch.device) -> tuple[nn.Module, Facts]:
    """Rebuild the network, in eval mode, and say what it was trained on."""
    about: dict[str, Any] = read_json(folder / "network.json")
    facts = Facts.from_json(about["facts"])
    network = build_network(about["architecture"], facts, **about["options"])
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
    batches = images.split(batch_size)
    progress = tqdm(batches, desc="predict", unit="batch", leave=False, delay=1, disable=None)
    return torch.cat([network(batch) for batch in progress])
