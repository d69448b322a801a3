"""Two runs at once, copied and read-only checkouts, odd paths and homes, clocks that jump."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Project, assert_refused, copy, environment, unfinished

VERIFY = ("python", "-m", "tools.verify")
IN_2100, IN_1971 = 4102444800, 31536000


def make(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `make` with this environment as it is: setting up would install packages."""
    ready = [f"{sys.prefix}/{name}" for name in (".ready", ".ready-extras", ".ready-to-develop")]
    old = [word for file in ready for word in ("-o", file)]
    command = (*old, f"VENV={sys.prefix}", *arguments)
    assert "pip install" not in project.succeed("make", "--dry-run", *command)
    return project.run("make", *command)


@contextlib.contextmanager
def training(project: Project) -> Iterator["subprocess.Popen[str]"]:
    """The block runs while `dvc repro train` is training, which must succeed."""
    project.set({"train.epochs": 6})
    process = subprocess.Popen(
        ["dvc", "repro", "train"],
        cwd=project.root,
        env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "parameters on" in line:
            break
    try:
        yield process
    finally:
        printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed


def test_two_runs_at_once_in_one_clone(project: Project) -> None:
    """The second names the process that blocks it, also under make; the first succeeds."""
    with training(project) as first:
        for second in (project.run("dvc", "repro", "train"), make(project, "repro")):
            assert second.returncode != 0
            assert re.search(
                rf"(is busy, it is being blocked by:\s+\(PID {first.pid}\))|Unable to acquire lock",
                second.stderr,
            ), second.stdout + second.stderr
            assert "Traceback" not in second.stdout + second.stderr
            assert first.poll() is None
    assert unfinished(project) == []
    project.succeed(*VERIFY)


@pytest.mark.slow
def test_a_copied_clone_is_independent(project: Project, tmp_path: Path) -> None:
    """A copy made with cp -r during a run works at the same time, on its own results."""
    with training(project):
        other = Project(tmp_path / "other")
        subprocess.run(["cp", "-r", str(project.root), str(other.root)], check=True)
        other.set({"train.epochs": 3})
        assert other.repro("train")["train"] == "ran"
    ours, theirs = (
        json.loads((it.root / "data/model/network.json").read_text())["parameters"]["train"]
        for it in (project, other)
    )
    assert (ours["epochs"], theirs["epochs"]) == (6, 3)
    shutil.rmtree(project.root)
    other.succeed(*VERIFY)
    assert set(other.repro("train").values()) == {"unchanged"}


def changed(project: Project) -> set[str]:
    """Stages that `dvc status` would run."""
    return set(json.loads(project.succeed("dvc", "status", "--json")))


def test_a_clock_that_jumps(project: Project) -> None:
    """All times in the future or past: nothing runs, and what was edited then is noticed.

    What keeps its size and its time, to the nanosecond, DVC cannot notice: tools.verify does.
    """
    files = [file for file in project.root.rglob("*") if ".git" not in file.parts]
    for seconds in (IN_2100, IN_1971):
        for file in files:
            if not file.is_symlink():
                os.utime(file, (seconds, seconds))
        assert changed(project) == set()
    project.succeed(*VERIFY)
    for name, stage in (("stages/report.py", "report"), ("plots/tiles.csv", "quality")):
        file = project.root / name
        file.write_bytes(file.read_bytes().replace(b"e", b"E", 1))  # of the same size
        os.utime(file, (IN_1971 - 1, IN_1971 - 1))
        assert stage in changed(project)


READ_ONLY = (
    'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && cd "$1" && shift && exec "$@"'
)


@pytest.fixture
def read_only(project: Project, tmp_path: Path) -> Project:
    """A checkout on a file system that is mounted read-only, for root too."""

    class ReadOnly(Project):
        def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
            mount = ("unshare", "--map-root-user", "--mount", "sh", "-c", READ_ONLY, "sh")
            return super().run(*mount, str(self.root), *command, **env)

    checkout = ReadOnly(project.root)
    try:
        probe = checkout.run("touch", "file")
    except FileNotFoundError:
        pytest.skip("nothing can be mounted read-only here: no unshare")
    if "Read-only file system" not in probe.stderr:
        pytest.skip(f"nothing can be mounted read-only here: {probe.stderr.strip()}")
    return checkout


def test_a_read_only_checkout_is_read(read_only: Project, tmp_path: Path) -> None:
    read_only.succeed(*VERIFY)
    assert "accuracy" in read_only.succeed("dvc", "metrics", "show")
    assert "removal_gain" in read_only.succeed("dvc", "metrics", "diff", "HEAD~1")
    assert "test accuracy" in read_only.succeed("python", "-m", "tools.next_steps")
    read_only.succeed("dvc", "plots", "show", "--out", str(tmp_path / "plots"))
    assert (tmp_path / "plots/index.html").is_file()


def test_a_read_only_checkout_is_not_written(read_only: Project) -> None:
    """A stage names what it could not write; DVC says that it cannot lock, before any stage."""
    for stage, path in (("check", "data/checked"), ("evaluate", "data")):
        message = rf"^error: {path}: cannot be written: Read-only file system; free .* run again$"
        assert_refused(read_only.stage(stage), message)
    refused = read_only.run("dvc", "repro")
    assert refused.returncode != 0
    assert re.search(r"ERROR: .*Read-only file system: '.*/\.dvc/tmp/lock'", refused.stderr)
    assert "Traceback" not in refused.stderr
    assert "Running stage" not in refused.stdout


@pytest.mark.slow
def test_a_path_with_spaces_and_letters(ran_project: Project, tmp_path: Path) -> None:
    """The whole pipeline, and the commands that users type."""
    project = copy(ran_project, tmp_path / "Jörgs Dateien (neu) – 中文 'q'" / "shap pipeline")
    project.set({"train.epochs": 3})
    assert set(project.repro("--force").values()) == {"ran"}
    Image.new("L", (28, 28)).save(project.root / "mein bild ö.png")
    for command in (
        ["repro"],
        ["explain", "IMAGE=mein bild ö.png"],
        ["export"],
        ["compare", "REV=HEAD"],
        ["experiments"],
        ["verify"],
    ):
        result = make(project, *command)
        assert result.returncode == 0, result.stdout + result.stderr
    for written in ("explained/sheet_000.png", "export/model.onnx", "plots/comparison/index.html"):
        assert (project.root / written).is_file()
    project.succeed("dvc", "plots", "show")
    project.succeed("dvc", "exp", "run", "--set-param", "report.grain=2")


@pytest.mark.parametrize("home", ["/proc/none", pytest.param("/proc", marks=pytest.mark.slow)])
def test_a_home_that_cannot_be_written(project: Project, home: str) -> None:
    """A home that does not exist and cannot be made, or that accepts no files."""
    environ = {"HOME": home, "XDG_CACHE_HOME": "", "XDG_CONFIG_HOME": "", "MPLCONFIGDIR": ""}
    lock = (project.root / "dvc.lock").read_bytes()
    result = project.run("dvc", "repro", "--force", "--single-item", "report", **environ)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert (project.root / "dvc.lock").read_bytes() == lock
    assert project.run(*VERIFY, **environ).returncode == 0


@pytest.mark.slow
def test_the_whole_pipeline_without_a_home(project: Project) -> None:
    project.set({"seed": 1})
    result = project.run("dvc", "repro", HOME="/proc/none")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
