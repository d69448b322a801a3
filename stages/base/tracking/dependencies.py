"""Whether DVC watches all local code that a stage runs; without that, results could be stale."""

import ast
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages.base.errors.user import UserError
from stages.base.files.yaml import PARAMS_FILE, read_yaml

_ROOT = Path(__file__).resolve().parents[3]


def require_declared(plugin: str | None = None) -> None:
    """Refuse local code that is loaded but stands in no `deps` of the running stage in `dvc.yaml`.

    Args:
        plugin: File that loaded it, from the root of the repository; None for the stage itself.

    Raises:
        UserError: Names the file, and the stages that need it.
    """
    script = Path(sys.argv[0]).resolve()
    if script.parent != _ROOT / "stages":  # a command or a test, which records no results
        return
    watched = _deps().get(script.stem)
    if watched is None:
        return
    for file in sorted(loaded_files()):
        if not _watches(watched, file) and _does_anything(_ROOT / file):
            raise UserError(_message(file, plugin, script.stem))


def declared_deps(stage: str) -> set[Path]:
    """Files and folders that a stage depends on, from the root of the repository."""
    return _deps()[stage]


def _message(file: Path, plugin: str | None, stage: str) -> str:
    importer, stages, base = f"stage {stage}", [stage], ""
    if plugin is not None:
        importer = plugin
        stages = [
            name
            for name, deps in _deps().items()
            if name == stage or (_watches(deps, Path(plugin)) and not _watches(deps, file))
        ]
        base = f"move it to {Path(plugin).parent}/base, or "
    return (
        f"{file}: {importer} imports it, but DVC would not notice its changes, since dvc.yaml does "
        f"not name it; {base}add it to the deps of {', '.join(stages)} there"
    )


def _watches(deps: set[Path], file: Path) -> bool:
    """Whether a file, or a folder that it lies in, is among these."""
    return not deps.isdisjoint({file, *file.parents})


@cache  # asked after each epoch; parameters that change meanwhile stop the stage
def _deps() -> dict[str, set[Path]]:
    """Files and folders that each stage depends on, with the parameters' values filled in."""
    params = read_yaml(PARAMS_FILE)

    def value(match: re.Match[str]) -> str:
        found: Any = params
        for key in match[1].split("."):
            found = found.get(key) if isinstance(found, dict) else None
        return str(found)

    stages = YAML(typ="safe").load(_ROOT / "dvc.yaml")["stages"]
    return {
        name: {Path(re.sub(r"\$\{(.+?)\}", value, dep)) for dep in stage.get("deps", [])}
        for name, stage in stages.items()
    }


def loaded_files() -> set[Path]:
    """Source files that were imported, from the root of the repository; no installed packages."""
    ours, installed = f"{_ROOT}{os.sep}", f"{sys.prefix}{os.sep}"
    # Listed first, since asking a module that loads lazily for `__file__` may import others.
    names = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
    return {
        Path(name).relative_to(_ROOT)
        for name in names
        if name.startswith(ours) and not name.startswith(installed)
    }


def _does_anything(file: Path) -> bool:
    """Whether a module holds more than its docstring."""
    if file.suffix != ".py":
        return True
    body = ast.parse(file.read_bytes()).body
    return any(
        not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body
    )
