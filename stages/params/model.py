"""Section `model`: the network, and its initial weights."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, PlainValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from stages.base.params.plugins import plugin_name, plugin_options
from stages.base.params.sections import Section
from stages.base.tracking.experiments import exists_or_tracked, missing_in_experiment
from stages.base.tracking.plugins import file_suffix

WEIGHTS = Path("weights")
WEIGHT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".tar")

Standardization = Literal["training", "none"] | dict[Literal["mean", "std"], list[float]]


def _weights_file(name: str | None, info: ValidationInfo) -> str | None:
    suffix = file_suffix(info.data["architecture"]) if "architecture" in info.data else None
    if suffix is not None:
        return _network_file(name, suffix)
    if name is None:
        return None
    file = WEIGHTS / name
    if file.suffix not in WEIGHT_SUFFIXES or ".." in file.parts or not exists_or_tracked(file):
        raise PydanticCustomError(
            "weights",
            "must be null or the name of a {suffixes} file in {folder}/: {advice}",
            {
                "suffixes": ", ".join(WEIGHT_SUFFIXES[:-1]) + f" or {WEIGHT_SUFFIXES[-1]}",
                "folder": str(WEIGHTS),
                "advice": missing_in_experiment(file, "dvc add") or "put it there",
            },
        )
    return name


def _network_file(name: str | None, suffix: str) -> str:
    """Require a file of the kind that the architecture reads its network from."""
    file = WEIGHTS / (name or "")
    if file.suffix != suffix or ".." in file.parts or not exists_or_tracked(file):
        raise PydanticCustomError(
            "network_file",
            "must be the name of a {suffix} file in {folder}/, which is the network: {advice}",
            {
                "suffix": suffix,
                "folder": str(WEIGHTS),
                "advice": missing_in_experiment(file, "dvc add") or "put it there",
            },
        )
    return str(name)


def _only_with_weights(patterns: list[str], info: ValidationInfo) -> list[str]:
    if patterns and info.data.get("weights", "") is None:
        raise PydanticCustomError("skip", "must be [] without model.weights")
    if patterns and "architecture" in info.data and file_suffix(info.data["architecture"]):
        raise PydanticCustomError("skip", "must be [] if a file is the network")
    return patterns


def _standardization(value: Any) -> Any:
    expected = (
        "must be training, none or {mean: […], std: […]}, numbers on the scale [0, 1], one for "
        "each channel, std above 0"
    )
    if value in ("training", "none"):
        return value
    valid = (
        isinstance(value, dict)
        and set(value) == {"mean", "std"}
        and all(
            isinstance(numbers, list)
            and all(type(number) in (int, float) and abs(number) < math.inf for number in numbers)
            for numbers in value.values()
        )
    )
    if not valid or len(value["mean"]) != len(value["std"]) or not all(s > 0 for s in value["std"]):
        raise PydanticCustomError("standardize", "{expected}", {"expected": expected})
    return value


class Model(Section):
    """Section `model`, read by preflight and train; later stages use the checkpoint."""

    architecture: Annotated[str, plugin_name("architectures", "network")]
    options: Annotated[dict[str, Any], plugin_options("architectures", "architecture", "build")]
    weights: Annotated[str | None, AfterValidator(_weights_file)]
    skip_weights: Annotated[list[str], AfterValidator(_only_with_weights)]
    standardize: Annotated[Standardization, PlainValidator(_standardization)]

    @property
    def network_file(self) -> Path | None:
        """The file that is the network, with its weights; None if code builds the network."""
        if self.weights is None or file_suffix(self.architecture) is None:
            return None
        return WEIGHTS / self.weights
