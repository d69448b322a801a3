"""Records the source code before any of it runs.

DVC hashes a stage's code after the stage has ended. Code edited during a run would be recorded as
the origin of results that other code computed. `stages.base.run.stage` therefore compares the code
with this snapshot.
"""

import gc
import hashlib
import os
import sys
from pathlib import Path
from types import TracebackType

from stages.base.files.root import ROOT

CODE_AT_START: dict[Path, str] = {}
"""`code_digests()` from before the stage's imports; empty in a process that runs no stage."""

_CODE_FOLDERS = (ROOT / "stages", ROOT / "engine/src")


def prepare_process() -> None:
    """Prepare this process for a stage, before any of the stage's code is imported.

    Takes the snapshot, installs a quiet Ctrl-C handler, and speeds up the imports.
    """
    CODE_AT_START.update(code_digests())
    sys.excepthook = _report_import_error
    gc.disable()  # until `run_stage`: imports leave little to collect, and searching takes time
    # NumPy's threads would spin for a tenth of a second after each product, on PyTorch's cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def code_digests() -> dict[Path, str]:
    """SHA-256 of every file that a stage could load."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in _CODE_FOLDERS
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }


def _report_import_error(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Handle errors during the imports, before `run_stage` can."""
    # Not at the top: the snapshot must be taken before other code is loaded.
    from stages.base.errors.interrupts import exit_interrupted, was_interrupted
    from stages.base.errors.memory import is_out_of_memory

    if was_interrupted(error):
        exit_interrupted("nothing was written; run dvc repro to continue")
    if is_out_of_memory(error):
        print("error: not enough memory to load the libraries; free some", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)
