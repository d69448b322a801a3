"""How a stage starts and ends: parameters in, one readable message when something is wrong."""

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
    """Run a stage's `main` on its checked parameters; exit with 1 and a message on a mistake.

    DVC hashes parameters and code after a command has run. What was edited meanwhile would be
    recorded as the origin of results that it did not make, so such a run fails.

    Args:
        main: The stage.
        model: The parameters it reads.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a log shows a line when it is printed
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
            f"a stage runs in the repository's root {_ROOT} (got {Path.cwd()}); cd there first"
        )


def _require_unchanged(params: BaseModel) -> None:
    if load_params(type(params)) != params:
        raise UserError(_edited(PARAMS_FILE))
    now = code_digests()
    loaded = {Path(getattr(module, "__file__", None) or "") for module in [*sys.modules.values()]}
    # A module's templates, styles and scripts lie in a folder beside it.
    folders = {path.parent / "page" for path in loaded}
    for path in CODE_AT_START.keys() | now.keys():
        used = path in loaded or path.parent in folders
        if used and CODE_AT_START.get(path) != now.get(path):
            raise UserError(_edited(path.relative_to(_ROOT)))


def _edited(path: Path) -> str:
    return (
        f"{path}: edited while the stage ran, so the results are not those of the new version; "
        "run dvc repro again"
    )
