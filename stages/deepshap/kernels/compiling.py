"""Compiling with numba: at the first call, once, told and kept.

Numba keeps machine code by a function's own file: what it calls from other files may change unseen.
So what belongs together stands in one file.
"""

import sys
from collections.abc import Callable
from typing import Any

from numba import njit
from numba.core import event


class _Announced(event.Listener):
    """Says once that something is compiled, not read from the cache, since it takes a while."""

    is_told = False

    def on_start(self, event: Any) -> None:
        if not self.is_told:
            print("DeepSHAP: compiling its loops, once", file=sys.stderr, flush=True)
        self.is_told = True

    def on_end(self, event: Any) -> None:
        pass


event.register("numba:compile", _Announced())


def compiled(function: Callable[..., Any]) -> Any:
    """Compile at the first call, and keep the machine code where there is a place to write."""
    try:
        return njit(function, nogil=True, error_model="numpy", cache=True)
    except RuntimeError:  # neither this folder nor the user's can be written
        return njit(function, nogil=True, error_model="numpy")
