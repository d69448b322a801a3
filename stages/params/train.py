"""Section `train`: how the network is trained."""

from typing import Annotated, Literal

from pydantic import Field

from stages.core.sections import Section

Augmentation = Literal["shift", "rotate", "scale", "flip", "erase"]


class Train(Section):
    """Read by train."""

    epochs: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)]
    optimizer: Literal["sgd", "adam", "adamw"]
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    schedule: Literal["constant", "one_cycle"]
    precision: Literal["float32", "bfloat16"]
    keep: Literal["best", "last"]
    augment: list[Augmentation]
