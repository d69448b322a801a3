"""Files that an experiment lacks, and how to include them."""

from pathlib import Path

import pytest

from stages.base.errors.user import UserError
from stages.base.tracking.experiments import (
    exists_or_tracked,
    missing_in_experiment,
    workspace_of_experiment,
)
from tests.conftest import run_stages


@pytest.fixture
def workspace(here: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of which `here` is a copy."""
    return tmp_path_factory.mktemp("workspace")


def test_only_an_experiment_has_a_workspace(
    here: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert workspace_of_experiment() is None
    assert missing_in_experiment(Path("own"), "git add") == ""
    monkeypatch.setenv("DVC_ROOT", str(here))  # as for a stage in the workspace itself
    assert workspace_of_experiment() is None
    monkeypatch.setenv("DVC_ROOT", str(workspace))
    assert workspace_of_experiment() == workspace


def test_a_file_only_in_the_workspace_is_named_with_the_command_to_add_it(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(workspace))
    assert missing_in_experiment(Path("weights/own.safetensors"), "dvc add") == ""
    (workspace / "weights").mkdir()
    (workspace / "weights/own.safetensors").touch()
    message = missing_in_experiment(Path("weights/own.safetensors"), "dvc add")
    assert message.startswith("weights/own.safetensors is in the workspace, but ")
    assert "run dvc add weights/own.safetensors," in message


@pytest.mark.parametrize("added", ["data/pets", "data"])
def test_a_folder_that_dvc_tracks_but_git_does_not(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, added: str
) -> None:
    """`dvc add` wrote two files, which Git must track for the experiment to see the folder."""
    monkeypatch.setenv("DVC_ROOT", str(workspace))
    (workspace / "data/pets").mkdir(parents=True)
    written = Path(f"{added}.dvc"), Path(added).with_name(".gitignore")
    for file in written:
        (workspace / file).touch()
    message = missing_in_experiment(Path("data/pets"), "dvc add")
    assert f"run git add {written[0]} {written[1]}, then" in message


def test_a_plugin_only_in_the_workspace_must_be_added(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(workspace))
    with pytest.raises(
        UserError, match=r"known: .*convnet.*<name>\.py and git add it: experiments"
    ):
        run_stages({"data": {"source": "."}, "model": {"architecture": "own"}}, ())
    (workspace / "stages/architectures").mkdir(parents=True)
    (workspace / "stages/architectures/own.py").touch()
    with pytest.raises(
        UserError, match=r"unknown network \(got 'own'\): stages/arch.*own\.py is in"
    ):
        run_stages({"data": {"source": "."}, "model": {"architecture": "own"}}, ())


def test_a_dvc_file_for_a_path_or_its_parent_counts_as_tracked(here: Path) -> None:
    assert not exists_or_tracked(Path("weights/own.safetensors"))
    (here / "weights.dvc").touch()
    assert exists_or_tracked(Path("weights/own.safetensors"))
    assert not exists_or_tracked(Path("other/own.safetensors"))
    (here / "other").mkdir()
    (here / "other/own.safetensors.dvc").touch()
    assert exists_or_tracked(Path("other/own.safetensors"))
    (here / "there").touch()
    assert exists_or_tracked(Path("there"))
