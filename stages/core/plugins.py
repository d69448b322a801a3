"""Plug-ins are files: a parameter names the file, DVC depends on it, nothing is registered."""

import ast
import importlib
from pathlib import Path
from types import ModuleType

from stages.core.errors import UserError

_STAGES = Path(__file__).resolve().parents[1]


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
        UserError: The file cannot be imported or lacks one of the functions; or its own, if it
            needs what the user does not have.
    """
    file = f"stages/{kind}/{name}.py"
    try:
        module = importlib.import_module(f"stages.{kind}.{name}")
    except UserError:
        raise
    except Exception as error:  # a plug-in is a user's code: it may fail in any way
        raise UserError(
            f"{file}: cannot be imported: {type(error).__name__}: {error}; fix that file"
        ) from error
    for function in functions:
        if not callable(getattr(module, function, None)):
            raise UserError(
                f"{file}: must define {function}(); see the other files of stages/{kind}"
            )
    return module


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
