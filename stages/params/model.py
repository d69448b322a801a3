"""Section `model`: the network, and its initial weights."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, PlainValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from stages.base.params.plugins import plugin_name, plugin_options
from stages.base.params.sections import Section
from stages.base.tracking.experiments import exists_or_tracked, missing_in_experiment

WEIGHTS = Path("weights")
PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl")

Standardization = Literal["training", "none"] | dict[Literal["mean", "std"], list[float]]


def _weights_file(name: str) -> str:
    file = WEIGHTS / name
    if file.suffix in PICKLES:
        raise PydanticCustomError(
            "pickle",
            "loading {file} could run code inside it, so it is never loaded; if you trust it, "
            "convert it:\n{conversion}",
            {"file": str(file), "conversion": conversion(file), "suggestion": ""},
        )
    if file.suffix != ".safetensors" or ".." in file.parts or not exists_or_tracked(file):
        raise PydanticCustomError(
            "weights",
            "must be null or the name of a .safetensors file in {folder}/: {advice}",
            {
                "folder": str(WEIGHTS),
                "advice": missing_in_experiment(file, "dvc add") or "put it there",
            },
        )
    return name


def conversion(file: Path) -> str:
    """The command that converts a pickled state dict to a .safetensors file in the same folder."""
    return (
        'python -c "import torch; from safetensors.torch import save_file; '
        f"weights = torch.load('{file}', map_location='cpu', weights_only=True); "
        "save_file({name: tensor.contiguous().clone() for name, tensor in weights.items()}, "
        f"'{file.with_suffix('.safetensors')}')\""
    )


def _only_with_weights(patterns: list[str], info: ValidationInfo) -> list[str]:
    if patterns and info.data.get("weights", "") is None:
        raise PydanticCustomError("skip", "must be [] without model.weights")
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
    weights: Annotated[str, AfterValidator(_weights_file)] | None
    skip_weights: Annotated[list[str], AfterValidator(_only_with_weights)]
    standardize: Annotated[Standardization, PlainValidator(_standardization)]
