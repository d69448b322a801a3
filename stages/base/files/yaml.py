"""Reads YAML as DVC does, within limits of size and depth."""

import warnings
from itertools import chain
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import Node, ScalarNode

from stages.base.errors.user import UserError, shortened

PARAMS_FILE = Path("params.yaml")

MOST_CHARACTERS = 1_000_000
DEEPEST = 50  # levels of nesting; the parser itself fails at a few hundred


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a mapping with the parser that DVC uses, so that both see the same values.

    (PyYAML follows YAML 1.1, where `1e-3` is a string.)

    Raises:
        UserError: The file is missing, is not valid YAML or is not a mapping.
    """
    yaml = YAML(typ="safe", pure=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ReusedAnchorWarning)  # DVC's parser refuses such files
            root = yaml.compose(path.read_text(encoding="utf-8"))
        _require_small(root, path)
        content = yaml.constructor.construct_document(root) if root else None
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; git checkout -- {path} restores the committed version"
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
    except Exception as error:  # raised by Python for a value: month 13, the content of a tag
        reason = shortened(str(error))
        raise UserError(f"{path}: not valid YAML: {reason}; fix that value") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: must hold keys and values (got {type(content).__name__})")
    return content


def _require_small(root: Node | None, path: Path) -> None:
    """Reject aliases that expand to huge content, and deep or endless nesting."""
    left = MOST_CHARACTERS
    unseen = [(root, 1)] if root else []
    while unseen:
        node, depth = unseen.pop()
        left -= 1 + len(node.value)
        if left < 0 or depth > DEEPEST:
            raise UserError(
                f"{path}, line {node.start_mark.line + 1}: nested too deeply, or far too long once "
                "aliases (*name) are expanded; write the values out"
            )
        if not isinstance(node, ScalarNode):
            children = chain.from_iterable(
                item if isinstance(item, tuple) else (item,) for item in node.value
            )
            unseen += [(child, depth + 1) for child in children]
