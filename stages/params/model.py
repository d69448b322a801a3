"""Section `model`: which network."""

from stages.pipeline.params import ArchitectureName, Section


class Model(Section):
    """Read by train; the checkpoint tells the later stages."""

    architecture: ArchitectureName
