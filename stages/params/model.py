"""Section `model`: which network."""

from typing import Annotated, Any

from stages.core.sections import Section, plugin_name, plugin_options


class Model(Section):
    """Read by train; the checkpoint tells the later stages."""

    architecture: Annotated[str, plugin_name("architectures", "network")]
    options: Annotated[dict[str, Any], plugin_options("architectures", "architecture", "build")]
