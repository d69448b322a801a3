"""Runs a stage: loads its parameters, and turns a user's error into one readable message."""

import atexit
import contextlib
import gc
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn, TypeVar

from pydantic import BaseModel

from stages import CODE_AT_START, code_digests, exit_interrupted, was_interrupted
from stages.core.declared import loaded_files, require_declared
from stages.core.errors import UserError, unusable_file_message
from stages.core.launch import fail_rank, is_rank, launch, start_rank, wants_ranks
from stages.core.memory import is_out_of_memory, out_of_memory_message
from stages.core.params import PARAMS_FILE, load_params
from stages.core.resume import forget_progress, left_by_interrupt

Params = TypeVar("Params", bound=BaseModel)

_ROOT = Path(__file__).resolve().parents[2]

_running: BaseModel | None = None  # parameters of the stage that this process runs


def run_stage(main: Callable[[Params], None], model: type[Params], in_ranks: bool = False) -> None:
    """Run a stage's `main` on its checked parameters; print a user's error and exit with 1.

    DVC hashes parameters and code after a stage has ended. What was edited during the run would be
    recorded as the origin of results that it did not make, so such a run fails.

    Args:
        main: The stage.
        model: The parameters that it reads.
        in_ranks: Whether several processes can share its work; they do if LAUNCH asks for it.
    """
    global _running
    gc.freeze()  # what the imports left; they ran without collection, see `stages`
    gc.set_threshold(100_000)  # what is loaded later leaves as little
    gc.enable()
    atexit.register(gc.freeze)  # to collect what PyTorch's modules hold would take a second
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # so that logs show each line at once
    if is_rank():
        start_rank()
    stage = Path(sys.argv[0]).stem
    try:
        _require_root()
        _running = load_params(model)
        if in_ranks and wants_ranks():
            has_ended = launch(stage)  # false on other hosts: rank 0 may need what was kept
        else:
            main(_running)
            require_true_record()
            has_ended = not is_rank()
        if has_ended:
            forget_progress(stage)
    except BaseException as error:
        if (message := _message(error, stage)) is not None:
            _exit(message)
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


def _message(error: BaseException, stage: str) -> str | None:
    """What to say of an error that a user can do something about; None for others."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, FileNotFoundError) and str(error.filename).startswith("data/"):
        return (
            f"{error.filename}: no such file; an earlier stage writes it: run dvc repro, "
            "or dvc pull"
        )
    if is_out_of_memory(error):
        return out_of_memory_message(error, stage)
    return None if was_interrupted(error) else unusable_file_message(error)


def _exit(message: str) -> NoReturn:
    if is_rank():
        fail_rank(message)
    sys.exit(f"error: {message}")


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
