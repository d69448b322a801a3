"""Local code of a stage that DVC does not track; for the real stages, see test_early_errors."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from stages.base.errors.user import UserError
from stages.base.tracking import dependencies

DVC = """
stages:
  train:
    deps: [stages/base, "stages/architectures/${model.architecture}.py", "${model.nothing.here}"]
  evaluate:
    deps: [stages/base, "stages/architectures/${model.architecture}.py", stages/own.py]
  explain:
    deps: ["stages/architectures/${model.architecture}.py"]
  report:
    cmd: a stage without deps
"""


@pytest.fixture
def root(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which this process seems to run stage train."""
    (here / "dvc.yaml").write_text(DVC)
    (here / "params.yaml").write_text("model: {architecture: lenet}")
    for folder in ("stages/base", "stages/architectures"):
        (here / folder).mkdir(parents=True)
    monkeypatch.setattr(dependencies, "ROOT", here)
    monkeypatch.setattr(sys, "argv", [str(here / "stages/train.py")])
    yield here
    dependencies._deps.cache_clear()


def load(root: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str = "x = 1") -> None:
    """Pretend that a file of the repository was imported."""
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    module = ModuleType(name)
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("stages/base/files/atomic.py", "x = 1"),  # in a tracked folder
        ("stages/architectures/lenet.py", "x = 1"),  # named by a parameter
        ("stages/architectures/__init__.py", '"""Only a docstring."""'),
    ],
)
def test_code_that_dvc_tracks_passes(
    root: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str
) -> None:
    monkeypatch.setitem(sys.modules, "outside", ModuleType("outside"))
    load(root, monkeypatch, name, content)
    dependencies.require_declared()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("stages/own.py", "x = 1"),
        ("stages/own.py", '"""With a docstring."""\nx = 1'),
        ("stages/architectures/convnet.py", "print()"),  # the parameter names another file
        ("own.so", '"compiled"'),
    ],
)
def test_code_that_dvc_does_not_track_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str
) -> None:
    load(root, monkeypatch, name, content)
    message = rf"^{name}: stage train imports it, .* does not name it; add it to the deps of train "
    with pytest.raises(UserError, match=message):
        dependencies.require_declared()


def test_imports_of_a_plugin_are_named_with_all_stages_that_need_them(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(root, monkeypatch, "stages/own.py")
    message = (
        r"^stages/own\.py: stages/architectures/lenet\.py imports it, .*; move it to "
        r"stages/architectures/base, or add it to the deps of train, explain there$"
    )
    with pytest.raises(UserError, match=message):
        dependencies.require_declared("stages/architectures/lenet.py")


@pytest.mark.parametrize("script", ["stages/other.py", "tools/train.py", "-m"])
def test_commands_that_are_not_stages_may_load_anything(
    root: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    load(root, monkeypatch, "stages/own.py")
    monkeypatch.setattr(sys, "argv", [str(root / script)])
    dependencies.require_declared()


def test_a_stage_without_deps_may_load_no_local_code(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(root, monkeypatch, "stages/base/files/atomic.py")
    monkeypatch.setattr(sys, "argv", [str(root / "stages/report.py")])
    with pytest.raises(UserError, match="stage report imports it"):
        dependencies.require_declared()


def test_installed_packages_inside_the_repository_are_not_local_code(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(root, monkeypatch, ".venv/lib/own.py")
    with pytest.raises(UserError, match=r"\.venv/lib/own\.py"):
        dependencies.require_declared()
    monkeypatch.setattr(sys, "prefix", str(root / ".venv"))
    dependencies.require_declared()
