"""Builds a network from `stages/architectures/`, with a standardising layer in front."""

import contextlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stages.architectures.base.library import GreyAsColor
from stages.artifacts.splits import DatasetInfo
from stages.base.errors.memory import is_out_of_memory
from stages.base.errors.user import UserError
from stages.base.tracking.plugins import load_plugin

_LARGEST_SIDE_PX = 512  # the largest that is tried in search of a size that works

BuildAndRun = Callable[[tuple[int, int]], tuple[nn.Module, Tensor]]


class Statistics(NamedTuple):
    """Mean and standard deviation of the pixels of each channel, on the scale [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


class Standardize(nn.Module):
    """First layer: standardises pixels 0 … 255, uint8 or float, by mean and standard deviation."""

    mean: Tensor
    scale: Tensor

    def __init__(self, statistics: Statistics) -> None:
        super().__init__()
        mean, std = statistics
        self.register_buffer("mean", torch.tensor(mean).mul(255).view(1, -1, 1, 1))
        self.register_buffer("scale", torch.tensor(std).mul(255).reciprocal().view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Map (n, c, h, w) to the same shape."""
        return (images - self.mean) * self.scale


class Classifier(nn.Sequential):
    """A standardising layer, then a network.

    Args:
        first: The layer.
        body: The network that the user's file builds.
        file: The user's file, relative to the root of the repository.
    """

    def __init__(self, first: Standardize, body: nn.Module, file: str) -> None:
        super().__init__(first, body)
        self.file = file


def build_network(
    architecture: str,
    info: DatasetInfo,
    options: Mapping[str, Any],
    statistics: Statistics | None = None,
) -> Classifier:
    """A network with fresh weights that maps raw images to logits.

    Args:
        architecture: Name of a file in `stages/architectures/`.
        info: Has the number of channels, the image size, pixel statistics and classes.
        options: Keyword arguments of `build` in that file.
        statistics: For the standardising layer; None for those of the training split.

    Raises:
        UserError: The file builds no network for such images. If they are too small, the message
            names the smallest size that works.
    """
    plugin = load_plugin("architectures", architecture, ("build",))
    file = f"stages/architectures/{architecture}.py"
    n_classes = len(info.class_names)

    def build_and_run(size: tuple[int, int]) -> tuple[nn.Module, Tensor]:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
            body = plugin.build(info.channels, size, n_classes, **options)
            return body, body.eval()(torch.zeros(1, info.channels, *size))

    try:
        body, logits = build_and_run(info.image_size)
    except Exception as error:  # networks are user code: any exception is possible
        if is_out_of_memory(error):
            raise
        raise UserError(_failure_message(error, architecture, info, build_and_run)) from error
    if getattr(logits, "shape", None) != (1, n_classes):
        got = (
            f"shape {tuple(logits.shape)}"
            if isinstance(logits, Tensor)
            else f"type {type(logits).__name__}"
        )
        raise UserError(
            f"{file}: its network maps one image to an output of "
            f"{got}, expected shape (1, {n_classes}), one logit per class; fix build()"
        )
    return Classifier(Standardize(statistics or Statistics(info.mean, info.std)), body, file)


def as_published(network: nn.Sequential) -> nn.Module:
    """The network as its authors wrote it, without our layers in front of it."""
    body = network[1]
    if isinstance(body, nn.Sequential) and isinstance(body[0], GreyAsColor):
        return body[1]
    return body


def source_location(network: nn.Module, module_path: str) -> str:
    """File and module path in the author's terms: `stages/architectures/own.py: encoder.heads`.

    Args:
        network: Is or contains a `Classifier`.
        module_path: From the engine: `1.encoder (Encoder)`, or only the class for the root module.
    """
    classifier = next((m for m in network.modules() if isinstance(m, Classifier)), None)
    if classifier is None:
        return module_path
    path, _, kind = module_path.partition(" ")
    body = as_published(classifier)
    names = {module: name for name, module in body.named_modules()}
    try:
        name = names.get(network.get_submodule(path), "")
    except AttributeError:  # only a class: the root module
        name = ""
    return f"{classifier.file}: {f'{name} {kind}' if name else f'{type(body).__name__}.forward'}"


def _failure_message(
    error: Exception, architecture: str, info: DatasetInfo, build_and_run: BuildAndRun
) -> str:
    """Names the smallest size that works if the images are too small, else quotes `error`."""
    height, width = info.image_size
    file = f"stages/architectures/{architecture}.py"
    if size := _smallest_size(height, width, build_and_run):
        return (
            f"{file}: images of {height}×{width} pixels are too small for this network; the "
            f"smallest size that works is {size[0]}×{size[1]}: set preprocess.image_size, or "
            "choose another model.architecture"
        )
    return (
        f"{file}: does not work for images of {info.channels}×{height}×{width} and "
        f"{len(info.class_names)} classes: {type(error).__name__}: {error}; fix build(), or change "
        "model.options"
    )


def _smallest_size(height: int, width: int, build_and_run: BuildAndRun) -> tuple[int, int] | None:
    """The smallest larger size that works, found on the meta device; None if none does."""
    for side in range(min(height, width) + 1, _LARGEST_SIDE_PX + 1):
        size = max(height, side), max(width, side)
        with contextlib.suppress(Exception), torch.device("meta"):
            build_and_run(size)
            return size
    return None
