"""Reads `params.yaml` strictly, and reports all errors at once, a line each."""

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import Node, ScalarNode

from stages.core.errors import UserError
from stages.core.messages import error_lines, shortened

PARAMS_FILE = Path("params.yaml")
MOST_LISTED = 40  # errors
MOST_CHARACTERS = 1_000_000
DEEPEST = 50  # levels of nesting; YAML's own parser ends at a few hundred

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
        count = "1 error" if len(lines) == 1 else f"{len(lines):,} errors"
        more = [f"  and {len(lines) - MOST_LISTED:,} more"] if len(lines) > MOST_LISTED else []
        listed = [f"{source}: {count}", *lines[:MOST_LISTED], *more]
        raise UserError("\n".join(listed)) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a mapping with the parser that DVC uses, so that both see the same values.

    (PyYAML follows YAML 1.1, where `1e-3` is a string.)

    Raises:
        UserError: The file is missing, is not valid YAML or does not hold a mapping.
    """
    yaml = YAML(typ="safe", pure=True)
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"))
        _require_small(root, path)
        content = yaml.constructor.construct_document(root) if root else None
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; git checkout -- {path} brings back that of the last commit"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; fix its permissions") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = shortened(str(error.problem))
        raise UserError(f"{path}{where}: not valid YAML: {problem}; fix that line") from None
    except RecursionError:
        raise UserError(f"{path}: nested too deeply; write it flat") from None
    except (YAMLError, UnicodeDecodeError) as error:
        reason = shortened(str(error))
        raise UserError(f"{path}: not valid YAML: {reason}; save it as UTF-8 text") from None
    except (UserError, MemoryError):
        raise
    except Exception as error:  # what Python says of a value, such as month 13 or a tag's content
        reason = shortened(str(error))
        raise UserError(f"{path}: not valid YAML: {reason}; fix that value") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: must hold keys and values (got {type(content).__name__})")
    return content


def _require_small(root: Node | None, path: Path) -> None:
    """Refuse aliases that unfold to far more than is written, and nesting without an end."""
    left = MOST_CHARACTERS
    unseen = [(root, 1)] if root else []
    while unseen:
        node, depth = unseen.pop()
        left -= 1 + len(node.value)
        if left < 0 or depth > DEEPEST:
            raise UserError(
                f"{path}, line {node.start_mark.line + 1}: nested too deeply, or far too long once "
                "aliases (*name) are replaced by what they stand for; write it out"
            )
        if not isinstance(node, ScalarNode):
            parts = chain.from_iterable(
                item if isinstance(item, tuple) else (item,) for item in node.value
            )
            unseen += [(part, depth + 1) for part in parts]
