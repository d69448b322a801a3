"""Runs a stage: loads its parameters, and turns a user's error into one readable message."""

import atexit
import contextlib
import gc
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn, Protocol, TypeVar

from pydantic import BaseModel

from stages.base.errors.interrupts import exit_interrupted, was_interrupted
from stages.base.errors.memory import is_out_of_memory, out_of_memory_message
from stages.base.errors.user import UserError, unusable_file_message
from stages.base.files.yaml import PARAMS_FILE
from stages.base.params.reading import load_params
from stages.base.run.progress import forget_progress, left_by_interrupt
from stages.base.run.rank import is_rank, wants_ranks
from stages.base.run.snapshot import CODE_AT_START, code_digests
from stages.base.tracking.dependencies import loaded_files, require_declared

Params = TypeVar("Params", bound=BaseModel)


class Launcher(Protocol):
    """Runs a stage in several processes, called ranks; `stages.ranks.launch` is one."""

    def launch(self, stage: str) -> bool:
        """Run the stage in ranks and wait for them; whether rank 0 was among those of this host."""

    def start_rank(self) -> None:
        """Prepare this process, which is a rank."""

    def fail_rank(self, message: str) -> NoReturn:
        """End this rank with a message that the launcher prints, once for all ranks."""


_ROOT = Path(__file__).resolve().parents[3]

_running: BaseModel | None = None  # parameters of the stage that this process runs


def run_stage(
    main: Callable[[Params], None],
    model: type[Params],
    needs_less: str,
    ranks: Launcher | None = None,
) -> None:
    """Run a stage's `main` on its checked parameters; print a user's error and exit with 1.

    DVC hashes parameters and code after a stage has ended. What was edited during the run would be
    recorded as the origin of results that it did not make, so such a run fails.

    Args:
        main: The stage.
        model: The parameters that it reads.
        needs_less: What to use where memory is short, and the parameters that set it.
        ranks: Starts several processes that share the work, where LAUNCH asks for them; None for a
            stage that is one process.
    """
    global _running
    gc.freeze()  # what the imports left; they ran without collection, see `stages`
    gc.set_threshold(100_000)  # what is loaded later leaves as little
    gc.enable()
    atexit.register(gc.freeze)  # to collect what PyTorch's modules hold would take a second
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # so that logs show each line at once
    if ranks is not None and is_rank():
        ranks.start_rank()
    stage = Path(sys.argv[0]).stem
    try:
        _require_root()
        _running = load_params(model)
        if ranks is not None and wants_ranks():
            has_ended = ranks.launch(stage)  # false on other hosts: rank 0 may need what was kept
        else:
            main(_running)
            require_true_record()
            has_ended = not is_rank()
        if has_ended:
            forget_progress(stage)
    except BaseException as error:
        if (message := _message(error, needs_less)) is not None:
            if ranks is not None and is_rank():
                ranks.fail_rank(message)
            sys.exit(f"error: {message}")
        if not was_interrupted(error):
            raise
        if is_rank():  # its launcher says it
            os._exit(1)
        exit_interrupted(left_by_interrupt(stage))
    if main.__module__ == "__main__" and not is_rank():  # not where a test has imported the stage
        _end_at_once()


def _end_at_once() -> NoReturn:
    """End this process, whose results are written; to take PyTorch down would take 0.2 s more."""
    with contextlib.suppress(OSError):  # nobody listens
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)


def _message(error: BaseException, needs_less: str) -> str | None:
    """What to say of an error that a user can do something about; None for others."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, FileNotFoundError) and str(error.filename).startswith("data/"):
        return (
            f"{error.filename}: no such file; an earlier stage writes it: run dvc repro, "
            "or dvc pull"
        )
    if is_out_of_memory(error):
        return out_of_memory_message(error, needs_less)
    return None if was_interrupted(error) else unusable_file_message(error)


def _require_root() -> None:
    if Path.cwd().resolve() != _ROOT:
        raise UserError(
            f"stages run in the root of the repository, {_ROOT} (got {Path.cwd()}); cd there first"
        )


def require_true_record() -> None:
    """Stop a stage if DVC would record for its results what did not make them.

    Long stages call it now and then; `run_stage` does at the end. Without a running stage, as in a
    test that calls `main`, it does nothing.

    Raises:
        UserError: Parameters or code changed since the start, or code is loaded that DVC does not
            watch; names the file.
    """
    if _running is None:
        return
    require_declared()
    if load_params(type(_running)) != _running:
        raise UserError(_edited_message(PARAMS_FILE))
    now = code_digests()
    loaded = {_ROOT / file for file in loaded_files()}
    # The template, style and scripts of a page are in the folder `page` next to their module.
    folders = {path.parent / "page" for path in loaded}
    for path in CODE_AT_START.keys() | now.keys():
        used = path in loaded or path.parent in folders
        if used and CODE_AT_START.get(path) != now.get(path):
            raise UserError(_edited_message(path.relative_to(_ROOT)))


def _edited_message(path: Path) -> str:
    return (
        f"{path}: edited while the stage ran, so the results are not those of the new version; "
        "run dvc repro again"
    )
