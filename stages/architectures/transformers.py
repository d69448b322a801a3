"""Any network of transformers that classifies images, with fresh weights.

The options are its `config.json`: `{model_type: resnet, depths: [2, 2], hidden_sizes: [32, 64]}`.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from torch import nn

from stages.architectures.base import library
from stages.base.errors.user import UserError
from stages.base.params.messages import did_you_mean

try:
    from transformers import AutoConfig, AutoModelForImageClassification, PreTrainedConfig
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES as CLASSES,
    )
except ImportError as error:
    raise library.missing_extra("transformers", error) from error

LIBRARY = "transformers"
NAMES = sorted(CLASSES)

# Entries of a config.json that do not change the network.
IGNORED = {"_name_or_path", "dtype", "id2label", "label2id", "torch_dtype", "transformers_version"}


def build(
    channels: int,
    image_size: tuple[int, int],
    n_classes: int,
    /,  # so that image_size can be an entry, too
    *,
    model_type: Annotated[str, library.network_name(NAMES, "transformers")],
    **entries: Any,
) -> nn.Module:
    """Build the network.

    Args:
        channels: 1 for grey images, 3 for colour.
        image_size: Height and width in pixels.
        n_classes: Number of outputs.
        model_type: The type in `config.json`.
        entries: Further entries of `config.json`. `num_labels`, `num_channels` and `image_size`
            follow from the data set and can be left out. For two classes, `num_labels: 1` gives one
            logit.

    Returns:
        Maps standardised images (n, channels, height, width) to an output with `logits`
        (n, n_classes).

    Raises:
        UserError: An entry differs from the data set.
    """
    follows = _follows_from_images(AutoConfig.for_model(model_type), channels, image_size)
    labels = {"num_labels": _n_labels(entries, n_classes)}
    if "vision_config" in follows:
        given = entries.get("vision_config", {})
        _require_agreement(given, follows["vision_config"], "vision_config.")
        follows = {"vision_config": {**given, **follows["vision_config"]}}
    else:
        _require_agreement(entries, follows)
    network = _network(model_type, **{**entries, **follows, **labels})
    has_channels = "num_channels" in follows.get("vision_config", follows)
    return network if has_channels else library.for_channels(channels, network)


def argument_errors(model_type: str, **entries: Any) -> list[str]:
    """One line for each entry that the network's configuration does not have."""
    config = AutoConfig.for_model(model_type)
    known = {"num_labels", *config.to_dict(), *config.attribute_map}
    lines = [
        f"  {name}: is not in the configuration of {model_type}"
        + (did_you_mean(name, sorted(known)) or f"; known: {', '.join(sorted(known - IGNORED))}")
        for name in sorted(entries.keys() - known - IGNORED)
    ]
    if not lines and (error := library.rejection(partial(_network, model_type), entries)):
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        lines = [f"  model_type: {model_type} does not accept the other options: {reason}"]
    return lines


def _network(model_type: str, **entries: Any) -> nn.Module:
    known = {name: value for name, value in entries.items() if name not in IGNORED}
    config = AutoConfig.for_model(model_type, **known)
    if not config.architectures:  # where there are several, such as DeiT's with a teacher
        names = CLASSES[model_type]
        config.architectures = [names if isinstance(names, str) else names[0]]
    network: nn.Module = AutoModelForImageClassification.from_config(config)
    return network


def _follows_from_images(
    defaults: PreTrainedConfig, channels: int, image_size: tuple[int, int]
) -> dict[str, Any]:
    """Entries that the images determine, as far as this configuration has them."""
    vision = getattr(defaults, "vision_config", None)
    if vision is not None:
        return {"vision_config": _follows_from_images(vision, channels, image_size)}
    height, width = image_size
    one_side = height == width and isinstance(getattr(defaults, "image_size", None), int)
    values = {"num_channels": channels, "image_size": height if one_side else [height, width]}
    return {name: value for name, value in values.items() if hasattr(defaults, name)}


def _n_labels(entries: Mapping[str, Any], n_classes: int) -> int:
    given = entries.get("num_labels", len(entries.get("id2label") or range(n_classes)))
    if given == n_classes or (given == 1 and n_classes == 2):
        return int(given)
    raise UserError(
        f"model.options: num_labels, or id2label, gives {given} classes, but the data set has "
        f"{n_classes}; remove it for a network with {n_classes} outputs"
    )


def _require_agreement(
    given: Mapping[str, Any], follows: Mapping[str, Any], prefix: str = ""
) -> None:
    """Reject entries that differ from the images; a side stands for a square."""
    for name, value in follows.items():
        got = given.get(name, value)
        if _sides(got) != _sides(value):
            key = {"num_channels": "preprocess.color", "image_size": "preprocess.image_size"}[name]
            raise UserError(
                f"model.options.{prefix}{name}: is {got}, but the images have {value}; remove it, "
                f"or change {key}"
            )


def _sides(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value, value]
