"""Section `quality`: how the explanation is measured, and what it is compared with."""

from typing import Annotated, Literal

from pydantic import Field

from stages.base.params.plugins import plugin_name
from stages.base.params.sections import Section

BASELINES = ("edges", "random")


class Quality(Section):
    """Section `quality`, read by quality."""

    n_images: Literal["auto"] | Annotated[int, Field(ge=0)]
    methods: list[Annotated[str, plugin_name("explainers", "method", *BASELINES)]]
