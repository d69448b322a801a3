"""Section `model`: which network."""

from typing import Annotated, Any

from stages.core.sections import Section, plugin_name, plugin_options


class Model(Section):
    """Read by train; later stages read it from the checkpoint."""

    architecture: Annotated[str, plugin_name("architectures", "network")]
    options: Annotated[dict[str, Any], plugin_options("architectures", "architecture", "build")]
