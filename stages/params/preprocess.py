"""Section `preprocess`: how images are split and resized."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from stages.base.params.sections import Section

SMALLEST_SIDE_PX = 8

Color = Literal["grey", "rgb"]
Fraction = Annotated[float, Field(gt=0, lt=1)]


def _height_and_width(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    sides = value if isinstance(value, list) else [value, value]
    valid = all(type(side) is int and side >= SMALLEST_SIDE_PX for side in sides)
    if len(sides) != 2 or not valid:
        expected = f"must be null, a side or [height, width] in pixels, at least {SMALLEST_SIDE_PX}"
        raise PydanticCustomError("image_size", expected)
    return sides[0], sides[1]


def _pixel_range(value: Any) -> Any:
    if value is None or value in ("full", "data"):
        return value
    numbers = value if isinstance(value, list) else []
    finite = all(type(number) in (int, float) and math.isfinite(number) for number in numbers)
    if len(numbers) != 2 or not finite or numbers[0] >= numbers[1]:
        expected = "must be null, full, data or [low, high], two numbers of which low is smaller"
        raise PydanticCustomError("pixel_range", expected)
    return float(numbers[0]), float(numbers[1])


PixelRange = Literal["full", "data"] | tuple[float, float] | None


class Preprocess(Section):
    """Section `preprocess`, read by preprocess."""

    validation_fraction: Fraction
    test_fraction: Fraction
    image_size: Annotated[tuple[int, int] | None, PlainValidator(_height_and_width)]
    color: Color | None
    pixel_range: Annotated[PixelRange, PlainValidator(_pixel_range)]
    group: Literal["folder"] | None
    limit: Annotated[int, Field(ge=1)] | None
