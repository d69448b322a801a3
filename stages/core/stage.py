"""Runs a stage: loads its parameters, and turns a user's error into one readable message."""

import atexit
import gc
import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from stages import CODE_AT_START, code_digests, exit_interrupted, was_interrupted
from stages.core.errors import UserError
from stages.core.params import PARAMS_FILE, load_params

Params = TypeVar("Params", bound=BaseModel)

_ROOT = Path(__file__).resolve().parents[2]


def run_stage(main: Callable[[Params], None], model: type[Params]) -> None:
    """Run a stage's `main` on its checked parameters; print a user's error and exit with 1.

    DVC hashes parameters and code after a stage has ended. What was edited during the run would be
    recorded as the origin of results that it did not make, so such a run fails.

    Args:
        main: The stage.
        model: The parameters that it reads.
    """
    atexit.register(gc.freeze)  # to collect what PyTorch's modules hold would take a second
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # so that logs show each line at once
    try:
        _require_root()
        params = load_params(model)
        main(params)
        _require_unchanged(params)
    except UserError as error:
        sys.exit(f"error: {error}")
    except BaseException as error:
        if not was_interrupted(error):
            raise
        exit_interrupted("unfinished results were removed")


def _require_root() -> None:
    if Path.cwd().resolve() != _ROOT:
        raise UserError(
            f"stages run in the root of the repository, {_ROOT} (got {Path.cwd()}); cd there first"
        )


def _require_unchanged(params: BaseModel) -> None:
    if load_params(type(params)) != params:
        raise UserError(_edited_message(PARAMS_FILE))
    now = code_digests()
    # Listed first, since asking a module that loads lazily for `__file__` may import others.
    loaded = {
        Path(getattr(module, "__file__", None) or "") for module in list(sys.modules.values())
    }
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
