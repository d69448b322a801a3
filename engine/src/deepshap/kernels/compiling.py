"""Compiling with numba: at the first call, once, told and kept."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit
from numba.core import event

_DIGEST = hashlib.sha256(
    b"".join(file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py")))
).hexdigest()[:12]
"""Of all code of this folder."""


class _Announced(event.Listener):
    """Says once that a loop is compiled, not read from the cache, since it takes a while."""

    is_told = False

    def on_start(self, happened: Any) -> None:
        module = happened.data["dispatcher"].py_func.__module__ or ""  # none behind `exec`
        ours = module.startswith(f"{__package__}.")
        if ours and not self.is_told:
            print("DeepSHAP: compiling its loops", file=sys.stderr, flush=True)
            self.is_told = True

    def on_end(self, happened: Any) -> None:
        pass


event.register("numba:compile", _Announced())


def compiled(function: Callable[..., Any]) -> Any:
    """Compile at the first call, and keep the machine code where there is a place to write.

    Numba names what it keeps by the function and looks at the function's file alone, though what it
    calls may stand in another: so the name gets the digest of all files.
    """
    function.__qualname__ += f"_{_DIGEST}"
    try:
        return njit(function, nogil=True, error_model="numpy", cache=True)
    except RuntimeError:  # neither this folder nor the user's can be written
        return njit(function, nogil=True, error_model="numpy")
