"""Section `shortcuts`: which images are searched for shortcuts."""

from typing import Annotated, Literal

from pydantic import Field

from stages.base.params.sections import Section, Seed, StageParams
from stages.params.explain import Method


class ShortcutSearch(Section):
    """Section `shortcuts`, read by shortcuts."""

    n_images: Annotated[int, Field(ge=0)]
    split: Literal["test", "train"]


class HowToExplain(StageParams):
    """The keys of section `explain` that the stage shortcuts reads, checked by `Explain`."""

    method: Method
    n_background: int
    background: Literal["stratified", "random"]
    seed: Seed
    tolerance: float
