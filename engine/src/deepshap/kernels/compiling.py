"""Compiles loops with numba at their first call, announces it once, and keeps the machine code."""

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
"""Digest of all code in this folder."""


class _Announcer(event.Listener):
    """Prints once that loops are being compiled instead of read from the cache."""

    has_printed = False

    def on_start(self, happened: Any) -> None:
        # The module is None for functions made by `exec`.
        module = happened.data["dispatcher"].py_func.__module__ or ""
        if module.startswith(f"{__package__}.") and not self.has_printed:
            print("DeepSHAP: compiling its loops", file=sys.stderr, flush=True)
            self.has_printed = True

    def on_end(self, happened: Any) -> None:
        pass


event.register("numba:compile", _Announcer())


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function at its first call; cache the machine code if a folder is writable.

    Numba's cache looks at the function's own file only, but the function may call others. So the
    digest of all files becomes part of its name.
    """
    function.__qualname__ += f"_{_DIGEST}"
    try:
        return njit(function, nogil=True, error_model="numpy", cache=True)
    except RuntimeError:  # neither this folder nor the user's cache is writable
        return njit(function, nogil=True, error_model="numpy")
