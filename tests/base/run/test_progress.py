"""Saved progress of a stage: what changes its folder, and when old folders are removed."""

import shutil
import subprocess
from pathlib import Path

import pytest
from pydantic import BaseModel

from stages.base.run import progress
from stages.base.run.progress import progress_folder, remove_progress, state_after_interrupt
from tests.conftest import ROOT


class Params(BaseModel):
    epochs: int = 3


@pytest.fixture
def here(here: Path) -> Path:
    """The inputs of stage train, as `dvc.yaml` names them."""
    (here / "params.yaml").write_text("model: {architecture: own, weights: null}")
    for file in ("data/prepared/train_images.npy", "stages/training/fitting.py", "weights/None"):
        (here / file).parent.mkdir(parents=True, exist_ok=True)
        (here / file).write_text(file)
    return here


def test_the_same_inputs_find_saved_progress(here: Path) -> None:
    folder = progress_folder("train", Params())
    (folder / "epoch").touch()
    assert progress_folder("train", Params()) == folder
    assert (folder / "epoch").exists()
    assert folder.parent == Path("data/unfinished/train")
    command = ["git", "check-ignore", folder]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    "file",
    [
        "data/prepared/train_images.npy",
        "data/prepared/more.npy",
        "stages/training/fitting.py",
        "stages/architectures/own.py",  # chosen in params.yaml
    ],
)
def test_another_input_starts_again_and_removes_saved_progress(here: Path, file: str) -> None:
    folder = progress_folder("train", Params())
    (here / file).parent.mkdir(exist_ok=True)
    (here / file).write_text("changed")
    assert progress_folder("train", Params()) != folder
    assert not folder.exists()


@pytest.mark.parametrize("name", ["fitting.cpython-311.pyc", "fitting.loop.nbi", "fitting.1.nbc"])
def test_compiled_files_do_not_change_the_folder(here: Path, name: str) -> None:
    folder = progress_folder("train", Params())
    compiled = here / "stages/training/__pycache__" / name
    compiled.parent.mkdir()
    compiled.touch()
    assert progress_folder("train", Params()) == folder


@pytest.mark.usefixtures("here")
def test_another_parameter_starts_again() -> None:
    assert progress_folder("train", Params()) != progress_folder("train", Params(epochs=4))


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("library", ["torch", "numpy", "timm"])
def test_another_library_version_starts_again(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, version = progress_folder("train", Params()), progress._version
    monkeypatch.setattr(
        progress, "_version", lambda name: "0.0" if name == library else version(name)
    )
    assert progress_folder("train", Params()) != before


@pytest.mark.usefixtures("here")
def test_another_kind_of_device_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    before = progress_folder("train", Params())
    monkeypatch.setattr(progress, "available_devices", lambda: ["cpu", "cuda", "cuda:0"])
    one = progress_folder("train", Params())
    assert one != before
    monkeypatch.setattr(progress, "available_devices", lambda: ["cpu", "cuda", "cuda:0", "cuda:1"])
    assert progress_folder("train", Params()) == one


@pytest.mark.parametrize("file", ["stages/report.py", "stages/architectures/lenet.py", "notes"])
def test_files_that_are_not_inputs_change_nothing(here: Path, file: str) -> None:
    folder = progress_folder("train", Params())
    (here / file).parent.mkdir(exist_ok=True)
    (here / file).write_text("changed")
    assert progress_folder("train", Params()) == folder


@pytest.mark.usefixtures("here")
def test_a_kill_during_removal_leaves_no_part_to_go_on_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = progress_folder("train", Params())
    (old / "shard").mkdir()
    with monkeypatch.context() as killed:
        killed.setattr(shutil, "rmtree", lambda *_, **__: None)
        new = progress_folder("train", Params(epochs=4))
        assert not old.exists()
        (new / "shard").mkdir()
        remove_progress("train")
        assert not new.exists()
    progress_folder("train", Params())
    remove_progress("train")
    assert list(Path("data/unfinished").iterdir()) == []


@pytest.mark.usefixtures("here")
def test_stages_have_separate_progress() -> None:
    train_folder, explain_folder = (
        progress_folder(name, Params()) for name in ("train", "explain")
    )
    assert train_folder.exists()
    remove_progress("train")
    remove_progress("train")
    assert not train_folder.exists()
    assert explain_folder.exists()


@pytest.mark.usefixtures("here")
def test_an_interrupt_reports_what_was_saved() -> None:
    assert state_after_interrupt("train").endswith("run dvc repro to start again")
    folder = progress_folder("train", Params())
    (folder / "epoch.pt.partial").touch()
    (folder / "000000000.claim").touch()
    (folder / "000000000.0123456789abcdef.partial/new").mkdir(parents=True)
    assert state_after_interrupt("train").endswith("run dvc repro to start again")
    (folder / "epoch.pt").touch()
    assert state_after_interrupt("train").endswith("run dvc repro to continue")
    (folder / "epoch.pt").rename(folder / "000000000")  # a shard
    assert state_after_interrupt("train").endswith("run dvc repro to continue")


def test_make_clean_removes_progress_but_no_results(here: Path) -> None:
    (progress_folder("train", Params()) / "epoch").touch()
    (here / "data/model.partial").mkdir()
    (here / "data/model.partial/weights").touch()
    (here / "plots").mkdir()
    (here / "metrics").mkdir()
    subprocess.run(["make", "--file", ROOT / "Makefile", "clean"], check=True, capture_output=True)
    left = {str(path.relative_to(here)) for path in (here / "data").rglob("*")}
    assert left == {"data/prepared", "data/prepared/train_images.npy"}
