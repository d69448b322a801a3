"""Reads `params.yaml` strictly, and reports all errors at once, a line each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from stages.core.errors import UserError
from stages.core.messages import error_lines

PARAMS_FILE = Path("params.yaml")

Params = TypeVar("Params", bound=BaseModel)


def load_params(model: type[Params], path: Path = PARAMS_FILE) -> Params:
    """Read and check the parameters that `model` declares.

    Args:
        model: A `StageParams` with one field for each top-level key that the stage reads, or a
            `Section` that describes the whole file.
        path: The file.

    Raises:
        UserError: The file is missing or is not valid YAML, or keys are unknown, missing or of the
            wrong type: lists them all, a line each.
    """
    return check_params(read_yaml(path), model, path)


def check_params(content: Mapping[str, Any], model: type[Params], source: Path) -> Params:
    """Check parameters that were read from `source`, as `load_params` does."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        lines = error_lines(error, model)
        count = "1 error" if len(lines) == 1 else f"{len(lines)} errors"
        raise UserError("\n".join([f"{source}: {count}", *lines])) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a mapping with the parser that DVC uses, so that both see the same values.

    (PyYAML follows YAML 1.1, where `1e-3` is a string.)

    Raises:
        UserError: The file is missing, is not valid YAML or does not hold a mapping.
    """
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; git checkout -- {path} brings back that of the last commit"
        ) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UserError(f"{path}{where}: not valid YAML: {error.problem}; fix that line") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {error}; save it as UTF-8 text") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: must hold keys and values (got {type(content).__name__})")
    return content
