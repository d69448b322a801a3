"""Local modules that a stage imports, read from the source: the oracle for its declared deps."""

import ast
from functools import cache
from pathlib import Path

from stages.base.tracking.plugins import plugin_names

ROOT = Path(__file__).resolve().parents[1]

# A stage that loads plug-ins imports the one that a parameter names.
LOADERS = {
    "stages/datasets/base/contract.py": "datasets",
    "stages/networks/build.py": "architectures",
    "stages/explainers/base/contract.py": "explainers",
    "stages/params/data.py": "datasets",
    "stages/params/model.py": "architectures",
}

# A stage that loads all files of a folder depends on each of them.
LOADERS_OF_ALL = {
    "measures/predictions": "stages/measures/predictions/base/all_measures.py",
    "measures/predictions/multiple": "stages/measures/predictions/base/all_measures.py",
    "measures/explanations": "stages/measures/explanations/base/all_measures.py",
}


def imported_files(file: str) -> set[str]:
    """Local files that `file` imports directly, including packages' `__init__.py`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = Path(file).parent.parts[: len(Path(file).parts) - node.level]
            base = ".".join([*(package if node.level else ()), *filter(None, [node.module])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            for depth in range(1, len(parts) + 1):
                path = "/".join(parts[:depth])
                path = f"engine/src/{path}" if parts[0] == "deepshap" else path
                found |= {c for c in (f"{path}.py", f"{path}/__init__.py") if (ROOT / c).is_file()}
    return {path for path in found if is_code(path)}


@cache
def is_code(file: str) -> bool:
    """Whether a file does anything: a module that is empty or only a docstring does not."""
    if not file.endswith(".py"):
        return not file.endswith("py.typed")  # it marks the engine as typed, and is empty
    body = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    return any(
        not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body
    )


def closure(*files: str) -> set[str]:
    """These files and everything they import, directly or indirectly; no plug-ins."""
    reached: set[str] = set()
    waiting = set(files)
    while waiting:
        file = waiting.pop()
        reached.add(file)
        waiting |= imported_files(file) - reached
    return reached


def plugin_files(kind: str) -> set[str]:
    """Every plug-in of a kind."""
    return {f"stages/{kind}/{name}.py" for name in plugin_names(kind)}


def base_files(kind: str) -> set[str]:
    """Code that the plug-ins of a kind share."""
    return files_in(f"stages/{kind}/base")


def files_in(folder: str) -> set[str]:
    """All code in a folder."""
    inside = (ROOT / folder).rglob("*.py")
    return {file for path in inside if is_code(file := str(path.relative_to(ROOT)))}


def code_of_stage(stage: str) -> tuple[set[str], set[str]]:
    """What a stage runs, whichever plug-ins are chosen.

    Returns:
        Fixed files, and the kinds of plug-ins, one file of which is loaded. All of `base`
        beside plug-ins belongs to these files: a plug-in that a user adds may import any of it. So
        does all of `stages/base`, which is declared as one folder.
    """
    files = closure(f"stages/{stage}.py")
    kinds = {kind for loader, kind in LOADERS.items() if loader in files}
    for kind in kinds:
        files |= closure(*plugin_files(kind), *base_files(kind)) - plugin_files(kind)
    for kind, loader in LOADERS_OF_ALL.items():
        if loader in files:
            files |= closure(*plugin_files(kind), *base_files(kind))
    return files | files_in("stages/base"), kinds
