"""Section `explain`: which images are explained, how, and against what."""

from typing import Annotated, Literal

from pydantic import Field

from stages.pipeline.params import ExplainerName, Section, Seed

Choice = Literal["first", "random", "per_class", "mistakes", "all"]


class Explain(Section):
    """Read by explain."""

    method: ExplainerName
    output: Literal["logits", "probabilities"]
    n_background: Annotated[int, Field(ge=1)]
    background: Literal["stratified", "random"]
    images: Choice | Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    n_images: Annotated[int, Field(ge=1)]
    seed: Seed
    tolerance: Annotated[float, Field(gt=0)]
