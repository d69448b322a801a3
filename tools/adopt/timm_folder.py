"""Reads a network of timm from a folder."""

from pathlib import Path
from typing import Any

import timm
from timm.data.imagenet_info import ImageNetInfo
from torch import nn

from stages.architectures.base.library import NOT_OPTIONS
from stages.base.errors.user import UserError, shortened
from stages.base.params.messages import did_you_mean
from tools.adopt.folder import CONFIG, read_object
from tools.adopt.pretrained import Input, Pretrained


def hub_name(name: str) -> str:
    """The name on the hub of pretrained weights, such as those of `resnet18.a1_in1k`.

    Raises:
        UserError: timm has no such weights, or the hub does not have them.
    """
    try:
        config = timm.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError as error:
        raise UserError(
            f"FROM: timm:{name}: {error}{did_you_mean(name, timm.list_pretrained())}"
        ) from None
    if config is None or not config.hf_hub_id:
        raise UserError(f"FROM: timm:{name}: is not on the hub; choose another network")
    return str(config.hf_hub_id)


def load(folder: Path, name: str, origin: list[str]) -> Pretrained:
    """Load the network; see `load_folder`."""
    try:
        network = timm.create_model(f"local-dir:{folder}", pretrained=True)
    except Exception as error:  # any: the library gets unchecked values
        raise UserError(
            f"{folder}: timm {timm.__version__} cannot load it: {type(error).__name__}: "
            f"{shortened(str(error))}; download the folder again, or choose another network"
        ) from error
    arguments: Any = read_object(folder / CONFIG).get("model_args") or {}
    return described(network, arguments, name, origin)


def described(
    network: nn.Module, arguments: dict[str, Any], name: str, origin: list[str]
) -> Pretrained:
    """A network that timm has loaded, with timm's own record of its training."""
    record: dict[str, Any] = network.pretrained_cfg  # type: ignore[assignment]
    left_out = {*NOT_OPTIONS, "num_classes"}
    given = {key: value for key, value in arguments.items() if key not in left_out}
    channels, height, width = record["input_size"]
    return Pretrained(
        name=name,
        origin=[*origin, f"loaded by timm {timm.__version__}"],
        architecture="timm",
        options={"name": record["architecture"], **given},
        entries=network.state_dict(),
        input=Input(record["mean"], record["std"], (height, width), channels),
        n_classes=record["num_classes"],
        class_names=_class_names(record),
    )


def _class_names(record: dict[str, Any]) -> list[str] | None:
    if record.get("label_names"):
        return list(record["label_names"])
    if record["num_classes"] == 1000 and str(record.get("tag", "")).endswith("in1k"):
        return list(ImageNetInfo().label_names())  # WordNet's numbers, as ImageNet's folders
    return None
