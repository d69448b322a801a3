"""How a stage starts and ends: parameters in, one readable message when something is wrong."""

import hashlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from stages.pipeline.errors import UserError
from stages.pipeline.params import PARAMS_FILE, load_params

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
    try:
        _require_root()
        code = _code_digests()
        params = load_params(model)
        main(params)
        _require_unchanged(params, code)
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: unfinished results were removed; run dvc repro to start again")


def _require_root() -> None:
    if Path.cwd().resolve() != _ROOT:
        raise UserError(
            f"a stage runs in the repository's root {_ROOT} (got {Path.cwd()}); cd there first"
        )


def _code_digests() -> dict[Path, str]:
    """Digest every module a stage could load, since plug-ins are loaded later."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (_ROOT / "stages").rglob("*.py")
    }


def _require_unchanged(params: BaseModel, before: Mapping[Path, str]) -> None:
    if load_params(type(params)) != params:
        raise UserError(_edited(PARAMS_FILE))
    now = _code_digests()
    for name, module in list(sys.modules.items()):
        path = Path(module.__file__ or "") if hasattr(module, "__file__") else None
        of_project = name == "__main__" or name.startswith("stages.")
        if of_project and path is not None and now.get(path) != before.get(path):
            raise UserError(_edited(path.relative_to(_ROOT)))


def _edited(path: Path) -> str:
    return (
        f"{path}: edited while the stage ran, so the results are not those of the new version; "
        "run dvc repro again"
    )
