"""Runs before any stage: snapshots the source and installs a quiet Ctrl-C handler.

DVC hashes a stage's code after the stage has ended, so code edited during a run would be recorded
as the origin of results that it did not make. `stages.core.stage` compares the code with the
snapshot.
"""

import gc
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
        if path.is_file() and path.parent.name != "__pycache__"
    }


def was_interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C caused this error; libraries may wrap it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def exit_interrupted(state: str) -> NoReturn:
    """Print what became of the results and exit with 1.

    sys.exit would not do: once a KeyboardInterrupt has passed through `exec`, which libraries call
    while they import, Python ends with the signal whatever the exit code.

    Args:
        state: What became of the results, and what to do.
    """
    sys.stdout.flush()
    print(f"interrupted: {state}", file=sys.stderr, flush=True)
    os._exit(1)


def _excepthook(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Handles what goes wrong during the imports, which end before `run_stage` starts."""
    if was_interrupted(error):
        exit_interrupted("nothing was written; run dvc repro to go on")
    # Only now: the snapshot must be taken before any code is loaded.
    from stages.core.memory import is_out_of_memory

    if is_out_of_memory(error):
        print("error: not enough memory to load the libraries; free some", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


CODE_AT_START: dict[Path, str] = {}
if sys.argv[:1] == ["-m"]:  # only while `python -m stages.<name>` starts
    CODE_AT_START = code_digests()
    sys.excepthook = _excepthook
    gc.disable()  # until `run_stage`: imports leave nothing to collect, and looking takes time
    # NumPy's threads would spin for a tenth of a second after each product, on PyTorch's cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
