"""Checks that DVC tracks all local code that a stage runs; otherwise results could be stale."""

import ast
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stages.base.errors.user import UserError
from stages.base.files.root import ROOT
from stages.base.files.yaml import PARAMS_FILE, read_yaml


def require_declared(plugin: str | None = None) -> None:
    """Reject loaded local code that is missing from the running stage's `deps` in `dvc.yaml`.

    Args:
        plugin: The file that imported it, relative to the root; None for the stage itself.

    Raises:
        UserError: DVC does not track a file; names it, and the stages that need it.
    """
    script = Path(sys.argv[0]).resolve()
    if script.parent != ROOT / "stages":  # a command or a test, which records no results
        return
    tracked = _deps().get(script.stem)
    if tracked is None:
        return
    for file in sorted(loaded_files()):
        if not _includes(tracked, file) and _contains_code(ROOT / file):
            raise UserError(_message(file, plugin, script.stem))


def declared_deps(stage: str) -> set[Path]:
    """Files and folders that a stage depends on, relative to the root of the repository."""
    return _deps()[stage]


def _message(file: Path, plugin: str | None, stage: str) -> str:
    importer, stages, base = f"stage {stage}", [stage], ""
    if plugin is not None:
        importer = plugin
        stages = [
            name
            for name, deps in _deps().items()
            if name == stage or (_includes(deps, Path(plugin)) and not _includes(deps, file))
        ]
        base = f"move it to {Path(plugin).parent}/base, or "
    return (
        f"{file}: {importer} imports it, but DVC would not notice its changes, since dvc.yaml does "
        f"not name it; {base}add it to the deps of {', '.join(stages)} there"
    )


def _includes(deps: set[Path], file: Path) -> bool:
    """Whether the dependencies include a file, or a folder that contains it."""
    return not deps.isdisjoint({file, *file.parents})


@cache  # needed after each epoch; the stage stops if parameters change meanwhile
def _deps() -> dict[str, set[Path]]:
    """Files and folders that each stage depends on, with the values of parameters filled in."""
    params = read_yaml(PARAMS_FILE)

    def value(match: re.Match[str]) -> str:
        found: Any = params
        for key in match[1].split("."):
            found = found.get(key) if isinstance(found, dict) else None
        return str(found)

    stages = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    return {
        name: {Path(re.sub(r"\$\{(.+?)\}", value, dep)) for dep in stage.get("deps", [])}
        for name, stage in stages.items()
    }


def loaded_files() -> set[Path]:
    """Imported source files, relative to the root of the repository; no installed packages."""
    ours, installed = f"{ROOT}{os.sep}", f"{sys.prefix}{os.sep}"
    # A list, since reading `__file__` of a lazy module may import other modules.
    names = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
    return {
        Path(name).relative_to(ROOT)
        for name in names
        if name.startswith(ours) and not name.startswith(installed)
    }


def _contains_code(file: Path) -> bool:
    """Whether a file is more than a module with a docstring."""
    if file.suffix != ".py":
        return True
    body = ast.parse(file.read_bytes()).body
    return any(
        not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body
    )
