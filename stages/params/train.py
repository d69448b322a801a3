"""Section `train`: how the network is trained."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from stages.base.params.sections import Section, Seed

Augmentation = Literal["shift", "rotate", "scale", "flip", "erase"]
ALL_BUT_HEAD = "all_but_head"

Freeze = Literal["all_but_head"] | list[str]


def _freeze(value: Any) -> Any:
    if value == ALL_BUT_HEAD:
        return value
    if not isinstance(value, list) or not all(isinstance(pattern, str) for pattern in value):
        expected = "must be all_but_head or a list of shell patterns, such as [conv1.*, layer1.*]"
        raise PydanticCustomError("freeze", "{expected}", {"expected": expected})
    return value


class Train(Section):
    """Section `train`, read by train."""

    epochs: Annotated[int, Field(ge=0)]
    batch_size: Annotated[int, Field(ge=1)]
    optimizer: Literal["sgd", "adam", "adamw"]
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    head_learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    schedule: Literal["constant", "one_cycle"]
    precision: Literal["auto", "float32", "bfloat16"]
    keep: Literal["best", "last"]
    augment: list[Augmentation]
    class_weights: Literal["none", "balanced"]
    freeze: Annotated[Freeze, PlainValidator(_freeze)]
    seed: Seed | None


def _epochs_or_weights(train: Train, info: ValidationInfo) -> Train:
    """Require weights, which section `model` names, if there is no training."""
    model = info.data.get("model")  # None if section `model` has errors
    if train.epochs == 0 and model is not None and model.weights is None:
        lines = ["epochs: must be at least 1, or 0 with model.weights (got 0)"]
        raise PydanticCustomError("epochs", "no training, no weights", {"lines": lines})
    return train


TrainOrWeights = Annotated[Train, AfterValidator(_epochs_or_weights)]
"""The type of a field that follows one named `model`."""
