"""A history to compare: a version with one more epoch, and one without error bars."""

import json
from pathlib import Path

import pytest

from tests.conftest import Project, commit, copy


@pytest.fixture(scope="module")
def history(two_versions: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of `two_versions` to write `plots/comparison` into.

    Its branch `without_bars` has the first version's explanation without error bars, as methods
    that have none write it.
    """
    project = copy(two_versions, tmp_path_factory.mktemp("history") / "clone")
    project.succeed("git", "switch", "--quiet", "--create", "without_bars", "HEAD~1")
    project.succeed("dvc", "checkout", "--quiet")
    folder = project.root / "data/shap"
    for name in ("errors", "group_means"):
        (folder / f"{name}.npy").unlink()
    about = json.loads((folder / "about.json").read_text())
    (folder / "about.json").write_text(json.dumps({**about, "n_groups": 0}))
    project.succeed("dvc", "commit", "--force", "--quiet", "explain")
    commit(project, "Remove error bars")
    project.succeed("git", "switch", "--quiet", "main")
    project.succeed("dvc", "checkout", "--quiet")
    return project


@pytest.fixture
def inside(history: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The history's root, as the current folder."""
    monkeypatch.chdir(history.root)
    return history.root
