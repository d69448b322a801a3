"""Records the source code before any of it runs.

DVC hashes a stage's code after the stage has ended, so code edited during a run would be recorded
as the origin of results that it did not make. `stages.base.run.stage` compares the code with this
snapshot.
"""

import gc
import hashlib
import os
import sys
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[3]

_CODE = (ROOT / "stages", ROOT / "engine/src")


def code_digests() -> dict[Path, str]:
    """SHA-256 of every file that a stage could load."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in _CODE
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }


CODE_AT_START: dict[Path, str] = {}


def begin_stage() -> None:
    """Prepare this process for a stage, before any of its code is imported.

    Takes the snapshot, installs a quiet Ctrl-C handler, and tunes the imports.
    """
    CODE_AT_START.update(code_digests())
    sys.excepthook = _excepthook
    gc.disable()  # until `run_stage`: imports leave nothing to collect, and looking takes time
    # NumPy's threads would spin for a tenth of a second after each product, on PyTorch's cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _excepthook(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Handles what goes wrong during the imports, which end before `run_stage` starts."""
    # Only now: the snapshot must be taken before any code is loaded.
    from stages.base.errors.interrupts import exit_interrupted, was_interrupted
    from stages.base.errors.memory import is_out_of_memory

    if was_interrupted(error):
        exit_interrupted("nothing was written; run dvc repro to go on")
    if is_out_of_memory(error):
        print("error: not enough memory to load the libraries; free some", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)
