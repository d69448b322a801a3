"""Section `quality`: which methods the explanation is compared with."""

from typing import Annotated

from stages.core.sections import Section, plugin_name

BASELINES = ("edges", "random")


class Quality(Section):
    """Read by quality."""

    methods: list[Annotated[str, plugin_name("explainers", "method", *BASELINES)]]
