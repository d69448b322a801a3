"""A history to compare: one more epoch, and a version from before error bars."""

import json
from pathlib import Path

import pytest

from tests.conftest import Project, commit, copy

LATER_ARRAYS = ("classes", "errors", "group_means", "background", "background_indices", "names")


@pytest.fixture(scope="module")
def history(two_versions: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of `two_versions`, to write `plots/comparison` into; the branch `before` is older.

    On it, the first version's explanation and predictions hold what the first release wrote, and
    no more.
    """
    project = copy(two_versions, tmp_path_factory.mktemp("history") / "clone")
    project.succeed("git", "switch", "--quiet", "--create", "before", "HEAD~1")
    project.succeed("dvc", "checkout", "--quiet")
    folder = project.root / "data/shap"
    for name in LATER_ARRAYS:
        (folder / f"{name}.npy").unlink(missing_ok=True)
    about = json.loads((folder / "about.json").read_text())
    del about["n_groups"]
    (folder / "about.json").write_text(json.dumps(about))
    (project.root / "data/predictions/names.npy").unlink()
    project.succeed("dvc", "commit", "--force", "--quiet", "evaluate", "explain")
    commit(project, "Before error bars")
    project.succeed("git", "switch", "--quiet", "main")
    project.succeed("dvc", "checkout", "--quiet")
    return project


@pytest.fixture
def inside(history: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The history's root, as the current folder."""
    monkeypatch.chdir(history.root)
    return history.root
