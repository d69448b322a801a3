"""Fetches pretrained weights of torchvision."""

import re
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import hub, nn
from torchvision import models

from stages.architectures.torchvision import NAMES
from stages.base.errors.user import UserError, reason_of, shortened
from stages.base.params.messages import did_you_mean
from tools.adopt.pretrained import Input, Pretrained, sha256


def load(name: str) -> Pretrained:
    """Load a network with torchvision, and its weights from torchvision's cache or server.

    Args:
        name: `resnet50` for its newest weights, `resnet50.IMAGENET1K_V1` for others.

    Raises:
        UserError: torchvision has no such weights, there is no connection, or the file is damaged.
    """
    builder, weights = find_weights(name)
    file = fetched(weights.url, name)
    network = models.get_model(builder, weights=weights)
    return described(network, builder, weights, f"{file.name}: SHA-256 {sha256(file)}")


def find_weights(name: str) -> tuple[str, models.WeightsEnum]:
    """The network's name, and one of torchvision's sets of weights for it."""
    builder, _, which = name.partition(".")
    if builder not in NAMES:
        raise UserError(
            f"FROM: torchvision:{name}: torchvision {torchvision.__version__} has no network "
            f"{builder}{did_you_mean(builder, NAMES)}"
        )
    known = {weights.name: weights for weights in models.get_model_weights(builder)}
    if which and which not in known:
        raise UserError(
            f"FROM: torchvision:{name}: {builder} has no weights {which}; known: {', '.join(known)}"
        )
    weights = known[which] if which else models.get_model_weights(builder).DEFAULT
    if not weights.meta["categories"]:
        raise UserError(
            f"FROM: torchvision:{name}: has no classes; choose others: {', '.join(known)}"
        )
    return builder, weights


def described(
    network: nn.Module, builder: str, weights: models.WeightsEnum, origin: str
) -> Pretrained:
    """A network that torchvision has loaded, with the weights' own statistics and classes."""
    images = weights.transforms()
    size = images.crop_size * 2 if len(images.crop_size) == 1 else images.crop_size
    # Set with pretrained weights of Inception; the network then expects other statistics.
    options: dict[str, Any] = {"transform_input": True} if _transforms(network) else {}
    return Pretrained(
        name=builder,
        origin=[f"torchvision {torchvision.__version__}, {weights}", origin],
        architecture="torchvision",
        options={"name": builder, **options},
        entries=network.state_dict(),
        input=Input(images.mean, images.std, (size[0], size[1])),
        n_classes=len(weights.meta["categories"]),
        class_names=weights.meta["categories"],
    )


def _transforms(network: nn.Module) -> bool:
    return bool(getattr(network, "transform_input", False))


def fetched(url: str, name: str) -> Path:
    """The file in torchvision's cache, checked; downloaded if it is not there.

    Raises:
        UserError: There is no connection, or the file is damaged or contains more than tensors.
    """
    file = Path(hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    found = re.search(r"-([0-9a-f]{8,})\.", file.name)
    expected = found[1] if found else ""
    if not file.exists():
        _download(url, file, name)
    digest = sha256(file)
    if not digest.startswith(expected):
        raise UserError(
            f"{file}: SHA-256 is {digest}, expected {expected}…; the file is damaged: remove it, "
            "then run the same command again"
        )
    try:  # torchvision itself would also run code that the file contains
        torch.load(file, map_location="meta", weights_only=True)
    except Exception as error:  # any: a damaged file
        raise UserError(
            f"{file}: does not contain tensors alone: {shortened(str(error))}; choose other weights"
        ) from None
    return file


def _download(url: str, file: Path, name: str) -> None:
    print(f"downloading {url}")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        hub.download_url_to_file(url, str(file), progress=True)
    except OSError as error:
        raise UserError(
            f"FROM: torchvision:{name}: cannot be fetched: {reason_of(error)}\n"
            "  without a network, save "
            f"{url} as {file}, then run the same command again"
        ) from error
