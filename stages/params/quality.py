"""Section `quality`: the methods that the explanation is compared with."""

from typing import Annotated

from stages.base.params.plugins import plugin_name
from stages.base.params.sections import Section

BASELINES = ("edges", "random")


class Quality(Section):
    """Section `quality`, read by quality."""

    methods: list[Annotated[str, plugin_name("explainers", "method", *BASELINES)]]
