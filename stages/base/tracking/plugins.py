"""Plug-ins are files: a parameter names the file, DVC depends on it, nothing is registered."""

import ast
import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from stages.base.errors.memory import is_out_of_memory
from stages.base.errors.user import UserError
from stages.base.tracking.dependencies import require_declared

_STAGES = Path(__file__).resolve().parents[2]


def plugin_names(kind: str) -> list[str]:
    """Names of the plug-ins in `stages/<kind>/`, sorted.

    Files whose names start with an underscore are not plug-ins. Code that plug-ins share lives in
    the subfolder `base`.
    """
    return sorted(
        file.stem for file in (_STAGES / kind).glob("*.py") if not file.stem.startswith("_")
    )


def load_plugin(kind: str, name: str, functions: tuple[str, ...]) -> ModuleType:
    """Import `stages/<kind>/<name>.py`.

    Args:
        kind: `datasets`, `architectures` or `explainers`.
        name: One of `plugin_names(kind)`.
        functions: What the file must define.

    Raises:
        UserError: The file cannot be imported, lacks one of the functions, or imports a local file
            that DVC does not watch; or its own, if it needs what the user does not have.
    """
    file = f"stages/{kind}/{name}.py"
    with failures_of_plugin(kind, name, "cannot be imported"):
        module = importlib.import_module(f"stages.{kind.replace('/', '.')}.{name}")
    for function in functions:
        if not callable(getattr(module, function, None)):
            raise UserError(
                f"{file}: must define {function}(); see the other files of stages/{kind}"
            )
    require_declared(file)
    return module


@contextlib.contextmanager
def failures_of_plugin(kind: str, name: str, what: str) -> Iterator[None]:
    """Turn any exception into a `UserError` that names the plug-in and what failed."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # a plug-in is a user's code: it may fail in any way
        if is_out_of_memory(error):
            raise
        raise UserError(
            f"stages/{kind}/{name}.py: {what}: {type(error).__name__}: {error}; fix that file"
        ) from error


def requires_options(kind: str, name: str, function: str) -> bool:
    """Whether `stages/<kind>/<name>.py` has options without a default.

    Reads the source: importing the file may take seconds, since most import torch.
    """
    source = (_STAGES / kind / f"{name}.py").read_text(encoding="utf-8")
    try:
        nodes = ast.parse(source).body
    except SyntaxError:  # importing the file reports it
        return False
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef))
    return any(None in node.args.kw_defaults for node in functions if node.name == function)
