"""The network as plain operations, `data/portable`: explain writes it, report puts it in its page.

So report needs no PyTorch, and a network that does not change is traced once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from stages.base.files.atomic import new_folder
from stages.base.files.formats import read_json, write_json

FOLDER = Path("data/portable")
_DESCRIPTION, _ARRAYS = "network.json", "arrays.safetensors"


@dataclass(frozen=True)
class PortableNetwork:
    """A network that explains what an `Explanation` explains, or why there is none.

    Attributes:
        operations: In the order they run, each with `kind`, `inputs`, `shape` and `settings` as in
            `deepshap.graph.portable`, and `arrays`, from an array's role to its name.
        arrays: By name, float32.
        reason: Why there are no operations; empty if there are.
    """

    operations: Sequence[Mapping[str, Any]] = ()
    arrays: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    reason: str = ""

    def save(self, folder: Path = FOLDER) -> None:
        """Write the description as JSON and the arrays beside it."""
        with new_folder(folder) as new:
            content = {"operations": list(self.operations), "reason": self.reason}
            write_json(new / _DESCRIPTION, content)
            (new / _ARRAYS).write_bytes(save(dict(self.arrays)))

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Self:
        """Read what `save` wrote."""
        content = read_json(folder / _DESCRIPTION)
        return cls(
            tuple(content["operations"]), load((folder / _ARRAYS).read_bytes()), content["reason"]
        )
