"""What runs first, before any stage's code is read: a picture of that code, and a calm Ctrl-C.

DVC hashes a stage's code when the stage has ended, so code that was edited meanwhile would be
recorded as the origin of results it did not make. `stages.core.stage` compares with this.
"""

import hashlib
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import NoReturn

_FOLDER = Path(__file__).resolve().parent


def code_digests() -> dict[Path, str]:
    """SHA-256 of every file that a stage could load."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in _FOLDER.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def was_interrupted(error: BaseException | None) -> bool:
    """Tell whether Ctrl-C is at the root of an error: libraries wrap it while they import."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def exit_interrupted(state: str) -> NoReturn:
    """Exit with 1 at once: where Ctrl-C passed an `exec`, sys.exit would end in a signal instead.

    Args:
        state: Of the results.
    """
    sys.stdout.flush()
    print(f"interrupted: {state}; run dvc repro to start again", file=sys.stderr, flush=True)
    os._exit(1)


def _excepthook(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Libraries take seconds to import: Ctrl-C then deserves no traceback either."""
    if not was_interrupted(error):
        sys.__excepthook__(kind, error, trace)
        return
    exit_interrupted("nothing was written")


CODE_AT_START: dict[Path, str] = {}
if sys.argv[:1] == ["-m"]:  # that is how Python names a stage until it has read it
    CODE_AT_START = code_digests()
    sys.excepthook = _excepthook
