"""Loads plug-ins: files that a parameter names and DVC tracks, without any registration."""

import ast
import contextlib
import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from stages.base.errors.memory import is_out_of_memory
from stages.base.errors.user import UserError
from stages.base.files.root import ROOT
from stages.base.tracking.dependencies import require_declared

_STAGES = ROOT / "stages"


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
        kind: A folder of plug-ins, such as `datasets`, `architectures` or `explainers`.
        name: One of `plugin_names(kind)`.
        functions: Functions that the file must define.

    Raises:
        UserError: The file cannot be imported, lacks one of the functions, or imports a local file
            that DVC does not track. Plug-ins may raise their own, such as for a missing package.
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
    except Exception as error:  # plug-ins are user code: any exception is possible
        if is_out_of_memory(error):
            raise
        raise UserError(
            f"stages/{kind}/{name}.py: {what}: {type(error).__name__}: {error}; fix that file"
        ) from error


def libraries_of_plugin(kind: str, name: str) -> list[str]:
    """Distributions whose versions a plug-in's results depend on: its `LIBRARY`, if it has one."""
    library = getattr(load_plugin(kind, name, ()), "LIBRARY", None)
    return [] if library is None else [library]


def requires_options(kind: str, name: str, function: str) -> bool:
    """Whether `stages/<kind>/<name>.py` has options without a default."""
    functions = (node for node in _statements(kind, name) if isinstance(node, ast.FunctionDef))
    return any(None in node.args.kw_defaults for node in functions if node.name == function)


def file_suffix(architecture: str) -> str | None:
    """The suffix of the files that `stages/architectures/<architecture>.py` reads networks from.

    The plug-in defines it as `FILE_SUFFIX`; None if its networks are built by code alone.
    """
    suffix: str | None = constant_of_plugin("architectures", architecture, "FILE_SUFFIX", None)
    return suffix


def constant_of_plugin(kind: str, name: str, constant: str, default: Any) -> Any:
    """The literal that `stages/<kind>/<name>.py` assigns to a name, or `default`.

    Raises:
        UserError: The file assigns something else, which only importing it would tell.
    """
    for node in _statements(kind, name):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if ast.unparse(target) == constant:
                with failures_of_plugin(kind, name, f"{constant} must be a literal"):
                    return ast.literal_eval(node.value)
    return default


def _statements(kind: str, name: str) -> list[ast.stmt]:
    """The source of a plug-in, since importing it, and torch with it, may take seconds."""
    source = (_STAGES / kind / f"{name}.py").read_text(encoding="utf-8")
    try:
        return ast.parse(source).body
    except SyntaxError:  # importing the file reports it
        return []
