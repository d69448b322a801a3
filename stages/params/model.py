"""Section `model`: which network."""

from typing import Annotated, Any

from stages.pipeline.options import options_of
from stages.pipeline.params import ArchitectureName, Section


class Model(Section):
    """Read by train; the checkpoint tells the later stages."""

    architecture: ArchitectureName
    options: Annotated[dict[str, Any], options_of("architectures", "architecture", "build")]
