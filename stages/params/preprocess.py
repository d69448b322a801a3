"""Section `preprocess`: how the images become splits."""

from typing import Annotated

from pydantic import Field

from stages.pipeline.params import Section


class Preprocess(Section):
    """Read by preprocess."""

    validation_fraction: Annotated[float, Field(gt=0, lt=1)]
    limit: Annotated[int, Field(ge=1)] | None
