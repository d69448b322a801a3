"""Section `explain`: which images are explained, how, and against what."""

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from stages.core.sections import Section, Seed, plugin_name

CHOICES = ("first", "random", "per_class", "mistakes", "all")


def _choices_or_positions(value: Any) -> Any:
    items = value if isinstance(value, list) else [value]
    all_known = all(item in CHOICES for item in items if type(item) is not int)
    positions = [item for item in items if type(item) is int]
    if not items or not all_known or min(positions, default=0) < 0 or type(value) is int:
        expected = f"must be {', '.join(CHOICES)} or a list of these and of positions, 0 or more"
        raise PydanticCustomError("images", expected)
    return value


def _all_predicted_top_or_classes(value: Any) -> Any:
    if isinstance(value, dict):
        valid = list(value) == ["top"] and type(value["top"]) is int and value["top"] >= 1
    elif isinstance(value, list):
        numbers = [item for item in value if type(item) is not str]
        valid = len(value) > 0 and all(type(item) is int and item >= 0 for item in numbers)
    else:
        valid = value in ("all", "predicted")
    if not valid:
        expected = "must be all, predicted, {top: 1 or more} or a list of class names and numbers"
        raise PydanticCustomError("outputs", expected)
    return value


Method = Annotated[str, plugin_name("explainers", "method")]
Output = Literal["logits", "probabilities"]


class Explain(Section):
    """Read by explain."""

    method: Method
    output: Output
    outputs: Annotated[
        str | dict[str, int] | list[str | int], PlainValidator(_all_predicted_top_or_classes)
    ]
    n_background: Annotated[int, Field(ge=1)]
    background: Literal["stratified", "random"]
    images: Annotated[str | list[str | int], PlainValidator(_choices_or_positions)]
    n_images: Annotated[int, Field(ge=1)]
    seed: Seed
    tolerance: Annotated[float, Field(gt=0, allow_inf_nan=False)]
