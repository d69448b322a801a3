"""Reads `params.yaml` strictly, and reports all errors at once, one per line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from stages.base.errors.user import UserError
from stages.base.files.yaml import PARAMS_FILE, read_yaml
from stages.base.params.messages import error_lines

MOST_LISTED = 40  # errors

Params = TypeVar("Params", bound=BaseModel)


def load_params(model: type[Params], path: Path = PARAMS_FILE) -> Params:
    """The parameters that `model` declares, checked.

    Args:
        model: A `StageParams` with one field for each top-level key that the stage reads, or a
            `Section` that describes the whole file.
        path: The file.

    Raises:
        UserError: The file is missing or is not valid YAML, or keys are unknown, missing or of the
            wrong type; lists all of them, one per line.
    """
    return check_params(read_yaml(path), model, path)


def check_params(content: Mapping[str, Any], model: type[Params], source: Path) -> Params:
    """Check parameters that were read from `source`; see `load_params`."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        lines = error_lines(error, model)
        count = "1 error" if len(lines) == 1 else f"{len(lines):,} errors"
        more = [f"  and {len(lines) - MOST_LISTED:,} more"] if len(lines) > MOST_LISTED else []
        listed = [f"{source}: {count}", *lines[:MOST_LISTED], *more]
        raise UserError("\n".join(listed)) from None
