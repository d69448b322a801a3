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

from stages.base.errors.interrupts import (
    exit_interrupted,
    repeat_dropped_interrupts,
    was_interrupted,
)
from stages.base.errors.memory import is_out_of_memory, out_of_memory_message
from stages.base.errors.user import UserError, unusable_file_message
from stages.base.files.root import ROOT
from stages.base.files.yaml import PARAMS_FILE
from stages.base.params.reading import load_params
from stages.base.run.progress import remove_progress, state_after_interrupt
from stages.base.run.rank import is_rank, wants_ranks
from stages.base.run.snapshot import CODE_AT_START, code_digests
from stages.base.tracking.dependencies import loaded_files, require_declared

Params = TypeVar("Params", bound=BaseModel)

_running: BaseModel | None = None  # parameters of the stage that this process runs


class Launcher(Protocol):
    """Runs a stage in several processes, called ranks; `stages.ranks.launch` is one."""

    def launch(self, stage: str) -> bool:
        """Run the stage in ranks and wait for them; return whether rank 0 ran on this host."""

    def prepare_rank_process(self) -> None:
        """Prepare this process, which is a rank."""

    def fail_rank(self, message: str) -> NoReturn:
        """End this rank with a message that the launcher prints, once for all ranks."""


def run_stage(
    main: Callable[[Params], None],
    model: type[Params],
    needs_less: str,
    ranks: Launcher | None = None,
) -> None:
    """Run a stage's `main` on its checked parameters; print a user's error and exit with 1.

    Parameters or code edited during the run make it fail: see `require_true_record`.

    Args:
        main: The stage.
        model: The parameters that it reads.
        needs_less: What to use where memory is short, and the parameters that set it.
        ranks: Starts several processes that share the work if LAUNCH asks for them; None if the
            stage always runs in one process.
    """
    global _running
    _configure_process()
    if ranks is not None and is_rank():
        ranks.prepare_rank_process()
    stage = Path(sys.argv[0]).stem
    try:
        if main.__module__ == "__main__":
            _require_module(stage)
        _require_root()
        _running = load_params(model)
        if ranks is not None and wants_ranks():
            complete = ranks.launch(stage)  # False on other hosts: rank 0 may still need progress
        else:
            main(_running)
            require_true_record()
            complete = not is_rank()
        if complete:
            remove_progress(stage)
    except BaseException as error:
        if (message := _message(error, needs_less)) is not None:
            if ranks is not None and is_rank():
                ranks.fail_rank(message)
            sys.exit(f"error: {message}")
        if not was_interrupted(error):
            raise
        if is_rank():  # the launcher prints the message
            os._exit(1)
        exit_interrupted(state_after_interrupt(stage))
    if main.__module__ == "__main__" and not is_rank():  # a test imports the stage instead
        _exit_at_once()


def require_true_record() -> None:
    """Raise if DVC would record wrong origins for the results of the running stage.

    DVC hashes parameters and code after the stage has ended, so edits during the run would be
    recorded as the origin of results that they did not produce. Long stages call this from
    time to time; `run_stage` calls it at the end. It does nothing if no stage runs, as in a test
    that calls `main`.

    Raises:
        UserError: Parameters or code changed since the start, or the stage loaded code that DVC
            does not track; names the file.
    """
    if _running is None:
        return
    require_declared()
    if load_params(type(_running)) != _running:
        raise UserError(_edited_message(PARAMS_FILE))
    now = code_digests()
    loaded = {ROOT / file for file in loaded_files()}
    # The template, style and scripts of a page are in the folder `page` next to their module.
    page_folders = {path.parent / "page" for path in loaded}
    for path in CODE_AT_START.keys() | now.keys():
        used = path in loaded or path.parent in page_folders
        if used and CODE_AT_START.get(path) != now.get(path):
            raise UserError(_edited_message(path.relative_to(ROOT)))


def _edited_message(path: Path) -> str:
    return (
        f"{path}: edited while the stage ran, so the results are not those of the new version; "
        "run dvc repro again"
    )


def _require_module(stage: str) -> None:
    if not CODE_AT_START:
        raise UserError(
            f"stages/{stage}.py: a stage runs as a module (got a script); run "
            f"python -m stages.{stage} in the root of the repository"
        )


def _require_root() -> None:
    if Path.cwd().resolve() != ROOT:
        raise UserError(
            f"stages run in the root of the repository, {ROOT} (got {Path.cwd()}); cd there first"
        )


def _message(error: BaseException, needs_less: str) -> str | None:
    """The message for an error that a user can fix; None for others."""
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


def _configure_process() -> None:
    """Lose no Ctrl-C, print line by line, and spend less time on garbage collection."""
    repeat_dropped_interrupts()
    gc.freeze()  # objects from the imports, during which collection was off: see snapshot.py
    gc.set_threshold(100_000)  # later imports leave as little to collect
    gc.enable()
    atexit.register(gc.freeze)  # collecting PyTorch's modules at exit would take a second
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # so that logs show each line at once


def _exit_at_once() -> NoReturn:
    """Exit with 0 once results are written; unloading PyTorch would take another 0.2 s."""
    with contextlib.suppress(OSError):  # the reader of the output may be gone
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)
