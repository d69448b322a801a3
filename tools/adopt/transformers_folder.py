"""Reads a network of transformers from a folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from numpy.typing import NDArray
from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageClassification

from stages.architectures.transformers import IGNORED, NAMES
from stages.base.errors.user import UserError, shortened
from stages.base.params.messages import did_you_mean
from tools.adopt.folder import CONFIG, PROCESSOR, read_object
from tools.adopt.pretrained import Input, Pretrained

# Entries that follow from the data set and from section `preprocess` of the recipe.
FOLLOWS = {"num_labels", "num_channels", "image_size"}
PROBE_PX = 251  # a side that no network is made for
DECIMALS = 6
SAME = 1e-4  # of values that a processor computes in float32


def load(folder: Path, name: str, origin: list[str]) -> Pretrained:
    """Load the network; see `load_folder`."""
    content = read_object(folder / CONFIG)
    kind = str(content["model_type"])
    if kind not in NAMES:
        raise UserError(
            f"{folder / CONFIG}: model_type {kind} is none of the {len(NAMES)} that transformers "
            f"{transformers.__version__} has for classifying images{did_you_mean(kind, NAMES)}"
        )
    images = input_of(folder)
    network, fresh = _load_network(folder)
    config = network.config
    names = [config.id2label[label] for label in sorted(config.id2label)]
    return Pretrained(
        name=name,
        origin=[*origin, f"loaded by transformers {transformers.__version__}"],
        architecture="transformers",
        options=options_of(content, config.num_labels),
        entries={key: value for key, value in network.state_dict().items() if key not in fresh},
        input=images,
        n_classes=config.num_labels,
        class_names=None if names == [f"LABEL_{label}" for label in range(len(names))] else names,
        fresh=fresh,
    )


def _load_network(folder: Path) -> tuple[Any, list[str]]:
    """The network, and the entries of its head if the file has none."""
    transformers.logging.set_verbosity_error()  # what it reports is checked here
    try:
        network, report = AutoModelForImageClassification.from_pretrained(
            folder,
            output_loading_info=True,
            local_files_only=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
        )
    except Exception as error:  # any: the library gets unchecked values
        raise _unusable(folder, error) from error
    head = (network.config.num_labels,)
    missing = sorted(report["missing_keys"])
    wrong = [name for name in missing if network.state_dict()[name].shape[:1] != head]
    wrong += [key for key, *_ in report["mismatched_keys"]]
    if wrong:
        raise UserError(
            f"{folder}: the weights are not those of its {CONFIG}: {len(wrong):,} entries are "
            f"missing or differ in shape, such as {wrong[0]}; download both files again"
        )
    return network, missing


def options_of(content: Mapping[str, Any], n_labels: int) -> dict[str, Any]:
    """The entries of a `config.json` that `model.options` needs.

    Left out are those that follow from the data set, and those of other versions of the library.
    """
    defaults = AutoConfig.for_model(content["model_type"])
    values = defaults.to_dict()
    known = {*values, *defaults.attribute_map} - IGNORED - FOLLOWS
    options = {
        name: value
        for name, value in content.items()
        if name in known and (value is not None or values.get(name) is not None)
    }
    if isinstance(vision := options.get("vision_config"), dict):
        options["vision_config"] = {k: v for k, v in vision.items() if k not in FOLLOWS}
    return options | ({"num_labels": 1} if n_labels == 1 else {})


def input_of(folder: Path) -> Input:
    """Size, channels and statistics of the images, as the folder's own image processor makes them.

    The processor converts a black image and one with a single full channel for each channel; the
    results show its mean and standard deviation. Its configuration alone does not: some processors
    standardise twice, swap channels, or rescale to other bounds.

    Raises:
        UserError: The processor is missing or damaged, or does more than resize and standardise.
    """
    file = folder / PROCESSOR
    read_object(file)  # without it, the library would take the defaults of its class
    try:
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        stated = processor.image_mean or [0.0] * 3, processor.image_std or [1.0] * 3
        n_channels = len(stated[0])
        probes = np.zeros((1 + n_channels, n_channels, PROBE_PX, PROBE_PX), np.uint8)
        for channel in range(n_channels):
            probes[1 + channel, channel] = 255
        converted = [_convert(processor, probe) for probe in probes]
        height, width = converted[0].shape[1:]
        black, *lit = (pixels[:, height // 2, width // 2] for pixels in converted)
    except Exception as error:  # any: the library gets unchecked values
        raise _unusable(file, error) from error
    gains = np.array(lit) - black  # (full channel, channel of the result)
    gain = gains.diagonal()
    if (gain <= 0).any() or np.abs(gains - np.diag(gain)).max() > SAME * gain.max():
        raise UserError(
            f"{file}: converts colours in a way that no mean and standard deviation describes, for "
            "example to the order blue, green, red; choose another network"
        )
    if height == width == PROBE_PX:
        raise UserError(f"{file}: does not resize images; add size, such as 224, and do_resize")
    mean, std = -black / gain, 1 / gain
    if not np.allclose([mean, std], stated, atol=SAME):
        stated = mean.round(DECIMALS).tolist(), std.round(DECIMALS).tolist()
    return Input(list(stated[0]), list(stated[1]), (height, width), n_channels)


def _convert(processor: Any, image: NDArray[np.uint8]) -> NDArray[np.float64]:
    converted = processor(images=image, input_data_format="channels_first", return_tensors="np")
    return np.asarray(converted["pixel_values"][0], np.float64)


def _unusable(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{path}: transformers {transformers.__version__} cannot load it: {type(error).__name__}: "
        f"{shortened(str(error))}; download it again, or choose another network"
    )
