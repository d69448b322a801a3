"""Section `preprocess`: how the images become splits."""

from typing import Annotated, Literal

from pydantic import Field

from stages.pipeline.params import Section

Fraction = Annotated[float, Field(gt=0, lt=1)]
Side = Annotated[int, Field(ge=8)]


class Preprocess(Section):
    """Read by preprocess."""

    validation_fraction: Fraction
    test_fraction: Fraction
    image_size: Side | Annotated[list[Side], Field(min_length=2, max_length=2)] | None
    color: Literal["grey", "rgb"] | None
    limit: Annotated[int, Field(ge=1)] | None
