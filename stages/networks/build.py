"""Builds a network from `stages/architectures/`, with a standardising layer in front."""

import contextlib
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stages.architectures.base.library import GreyAsColor
from stages.artifacts.splits import DatasetInfo
from stages.base.errors.memory import is_out_of_memory
from stages.base.errors.user import UserError
from stages.base.tracking.plugins import load_plugin
from stages.networks.outputs import final_activation, has_one_logit, logits_of, returns_logits

_LARGEST_SIDE_PX = 512  # the largest that is tried in search of a size that works

BuildAndRun = Callable[[tuple[int, int]], tuple[nn.Module, Any]]


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
        body: The network that the user's file builds or contains.
        file: The user's file, relative to the root of the repository: code, or the network itself.
        one_logit: Whether the body has one logit, of the second of two classes.
    """

    def __init__(
        self, first: Standardize, body: nn.Module, file: Path, one_logit: bool = False
    ) -> None:
        super().__init__(first, body)
        self.file = file
        self.one_logit = one_logit


def build_network(
    architecture: str,
    info: DatasetInfo,
    options: Mapping[str, Any],
    statistics: Statistics | None = None,
    network_file: Path | None = None,
) -> Classifier:
    """A network that maps raw images to logits.

    Args:
        architecture: Name of a file in `stages/architectures/`.
        info: Has the number of channels, the image size, pixel statistics and classes.
        options: Keyword arguments of `build` in that file.
        statistics: For the standardising layer; None for those of the training split.
        network_file: For an architecture that reads its network, with weights, from a file. All
            others have fresh weights.

    Raises:
        UserError: The file builds no network for such images. If they are too small, the message
            names the smallest size that works. `build` may raise its own.
    """
    plugin = load_plugin("architectures", architecture, ("build",))
    file = network_file or Path(f"stages/architectures/{architecture}.py")
    files = [] if network_file is None else [network_file]
    n_classes = len(info.class_names)

    def build_and_run(size: tuple[int, int]) -> tuple[nn.Module, Any]:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
            body = plugin.build(info.channels, size, n_classes, *files, **options)
            return body, body.eval()(torch.zeros(1, info.channels, *size))

    try:
        body, output = build_and_run(info.image_size)
    except UserError:
        raise
    except Exception as error:  # networks are user code: any exception is possible
        if is_out_of_memory(error):
            raise
        raise UserError(_failure_message(error, file, info, build_and_run)) from error
    logits = logits_of(output, n_classes, info.multiple)
    if logits is None:
        raise UserError(
            f"{file}: {_wrong_output(output, n_classes, info.multiple)}; {_advice(file)}"
        )
    if logits is not output:
        returns_logits(body, n_classes, info.multiple)
    first = Standardize(statistics or Statistics(info.mean, info.std))
    return Classifier(first, body, file, has_one_logit(output, n_classes, info.multiple))


def require_logits(network: Classifier, images: Tensor) -> None:
    """Reject a network whose outputs are probabilities already.

    Args:
        network: From `build_network`.
        images: A few images (n, c, h, w).

    Raises:
        UserError: The last operation is a softmax or a sigmoid.
    """
    standardize, body = network
    activation = final_activation(body, standardize(images))
    if activation:
        raise UserError(
            f"{network.file}: its network ends in {activation}, so it returns probabilities where "
            f"logits are expected, and {activation} would be applied twice; leave it out of the "
            "network (explain.output: probabilities explains probabilities)"
        )


def require_reusable(network: Classifier, images: Tensor) -> None:
    """Reject a network that works once, but not again or not for other numbers of images.

    Args:
        network: From `build_network`, which has called it with one image.
        images: A few images (n, c, h, w).

    Raises:
        UserError: A call fails, or does not return logits for each image; says with how many.
    """
    for batch in (images[:1], images, images[:1], images):
        n_images = len(batch)
        try:
            with torch.no_grad():
                n_outputs = len(network(batch))
        except Exception as error:  # networks are user code: any exception is possible
            if is_out_of_memory(error):
                raise
            raise UserError(
                f"{network.file}: fails when it is called again, with a batch of {n_images}: "
                f"{type(error).__name__}: {error}; {_advice(network.file)}"
            ) from error
        if n_outputs != n_images:
            raise UserError(
                f"{network.file}: its network maps {n_images} images to {n_outputs} outputs, "
                f"expected one for each image; {_advice(network.file)}"
            )


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
            It may go on to layers that are no modules of the network, such as those of Keras.
    """
    classifier = next((m for m in network.modules() if isinstance(m, Classifier)), None)
    if classifier is None:
        return module_path
    path, _, kind = module_path.partition(" ")
    body = as_published(classifier)
    modules = dict(network.named_modules())
    names = {module: name for name, module in body.named_modules()}
    parts = path.split(".")
    known = next(n for n in range(len(parts), -1, -1) if ".".join(parts[:n]) in modules)
    layers = parts[known:] if known else []  # without any module, only a class: the root module
    name = names.get(modules[".".join(parts[:known])], "")
    name = ".".join([name, *layers] if name else layers)
    return f"{classifier.file}: {f'{name} {kind}' if name else f'{type(body).__name__}.forward'}"


def _wrong_output(output: Any, n_classes: int, multiple: bool) -> str:
    got = (
        f"shape {tuple(output.shape)}"
        if isinstance(output, Tensor)
        else f"type {type(output).__name__}"
    )
    each = "label" if multiple else "class"
    one = " (or (1, 1), one logit for both)" if n_classes == 2 and not multiple else ""
    return (
        f"its network maps one image to an output of {got}, expected shape (1, {n_classes}), one "
        f"logit per {each}{one}"
    )


def _failure_message(
    error: Exception, file: Path, info: DatasetInfo, build_and_run: BuildAndRun
) -> str:
    """Names the smallest size that works if the images are too small, else quotes `error`."""
    height, width = info.image_size
    if _is_code(file) and (size := _smallest_size(height, width, build_and_run)):
        return (
            f"{file}: images of {height}×{width} pixels are too small for this network; the "
            f"smallest size that works is {size[0]}×{size[1]}: set preprocess.image_size, or "
            "choose another model.architecture"
        )
    return (
        f"{file}: does not work for images of {info.channels}×{height}×{width} and "
        f"{len(info.class_names)} classes: {type(error).__name__}: {error}; {_advice(file)}"
    )


def _advice(file: Path) -> str:
    if _is_code(file):
        return "fix build(), or change model.options"
    return "choose another model.weights, or images and classes that fit the network"


def _is_code(file: Path) -> bool:
    """Whether the file builds a network, instead of containing one."""
    return file.suffix == ".py"


def _smallest_size(height: int, width: int, build_and_run: BuildAndRun) -> tuple[int, int] | None:
    """The smallest larger size that works, found on the meta device; None if none does."""
    for side in range(min(height, width) + 1, _LARGEST_SIDE_PX + 1):
        size = max(height, side), max(width, side)
        with contextlib.suppress(Exception), torch.device("meta"):
            build_and_run(size)
            return size
    return None
