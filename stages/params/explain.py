"""Section `explain`: which images are explained, how, and against what."""

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from stages.pipeline.params import ExplainerName, Section, Seed

CHOICES = ("first", "random", "per_class", "mistakes", "all")


def _choice_or_positions(value: Any) -> Any:
    positions = isinstance(value, list) and value and all(type(item) is int for item in value)
    if value not in CHOICES and not (positions and min(value) >= 0):
        expected = f"must be {', '.join(CHOICES)} or a list of positions, 0 or more"
        raise PydanticCustomError("images", expected)
    return value


class Explain(Section):
    """Read by explain."""

    method: ExplainerName
    output: Literal["logits", "probabilities"]
    n_background: Annotated[int, Field(ge=1)]
    background: Literal["stratified", "random"]
    images: Annotated[str | list[int], PlainValidator(_choice_or_positions)]
    n_images: Annotated[int, Field(ge=1)]
    seed: Seed
    tolerance: Annotated[float, Field(gt=0, allow_inf_nan=False)]
