"""Killed trainings, in one process and in ranks: `dvc repro` resumes and gives the same bytes."""

import os
import re
import signal
import subprocess
import time

import pytest
import yaml

from tests.conftest import Project, assert_refused, environment
from tests.test_interrupted import INTERRUPTED, finish, interruptible, started

EPOCHS = 6
LAUNCH = "--nproc-per-node 2"


@pytest.fixture
def project(project: Project) -> Project:
    """A project in which training is outdated and uses every random augmentation."""
    project.set({"train": {"epochs": EPOCHS, "augment": ["shift", "rotate", "flip", "erase"]}})
    return project


def kill_in_epoch(project: Project, epoch: int, **env: str) -> str:
    """Start `dvc repro train`, kill it with its children, and return what it printed.

    Waits until the first epoch was saved, since before that there is nothing to resume.
    """
    process = project.start("dvc", "repro", "train", PYTHONUNBUFFERED="1", **env)
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if line.startswith(f"epoch {epoch - 1}:"):
            break
    while not list(project.root.glob("data/unfinished/train/*/epoch.pt")):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    rest, _ = process.communicate(timeout=60)
    return printed + rest


def repro(project: Project, **env: str) -> str:
    """Run `dvc repro train`, which must succeed; return what it printed."""
    result = project.run("dvc", "repro", "train", **env)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def epochs(printed: str) -> list[int]:
    return [int(number) for number in re.findall(r"^epoch (\d+):", printed, re.MULTILINE)]


def results(project: Project) -> dict[str, bytes]:
    files = [project.root / "plots/training.csv", *(project.root / "data/model").iterdir()]
    return {str(file.relative_to(project.root)): file.read_bytes() for file in files}


def unfinished(project: Project) -> list[str]:
    """Keys of the saved progress of train."""
    folder = project.root / "data/unfinished/train"
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def assert_resumes_to_the_same(project: Project, killed: str, **env: str) -> None:
    """Resume to the end, then train again from the start: the results are the same."""
    done = epochs(killed)
    assert len(unfinished(project)) == 1
    printed = repro(project, **env)
    resumed_after = re.findall(
        r"^train: resuming an interrupted run after epoch (\d+) of 6", printed, re.MULTILINE
    )
    (last,) = map(int, resumed_after)
    assert last >= done[-1] - 1  # the last one may have been printed but not saved
    assert epochs(printed) == list(range(last + 1, EPOCHS + 1))
    assert unfinished(project) == []
    resumed, lock = results(project), (project.root / "dvc.lock").read_bytes()
    result = project.run("dvc", "repro", "--single-item", "--force", "train", **env)
    assert epochs(result.stdout) == list(range(1, EPOCHS + 1))
    assert results(project) == resumed
    assert (project.root / "dvc.lock").read_bytes() == lock


@pytest.mark.parametrize(
    "epoch", [2, *(pytest.param(epoch, marks=pytest.mark.slow) for epoch in (3, 4, 5, 6))]
)
def test_killed_in_an_epoch(project: Project, epoch: int) -> None:
    killed = kill_in_epoch(project, epoch)
    assert epochs(killed) == list(range(1, epochs(killed)[-1] + 1))
    assert_resumes_to_the_same(project, killed)


@pytest.mark.slow
def test_killed_in_ranks(project: Project) -> None:
    killed = kill_in_epoch(project, 3, LAUNCH=LAUNCH)
    assert_resumes_to_the_same(project, killed, LAUNCH=LAUNCH)


@pytest.mark.slow
@pytest.mark.parametrize("changed", ["a parameter", "code", "data"])
def test_a_change_after_a_kill_starts_again(project: Project, changed: str) -> None:
    kill_in_epoch(project, 3)
    (before,) = unfinished(project)
    if changed == "a parameter":
        project.set({"train.learning_rate": 0.002})
    elif changed == "data":
        project.set({"preprocess.limit": 500})
    else:
        with (project.root / "stages/training/fitting.py").open("a") as source:
            source.write("# a comment\n")
    printed = kill_in_epoch(project, 3)
    assert "resuming" not in printed
    assert epochs(printed)[0] == 1
    assert len(unfinished(project)) == 1
    assert unfinished(project) != [before]


def test_an_interrupt_reports_that_work_was_saved(project: Project) -> None:
    project.set({"train.epochs": 40})
    process = started(project, "train")
    assert process.stdout is not None
    while not process.stdout.readline().startswith("epoch 2:"):
        pass
    process.send_signal(signal.SIGINT)
    assert_refused(finish(process), r"^interrupted: .* saved; run dvc repro to continue\n$")
    assert len(unfinished(project)) == 1


@pytest.mark.slow
def test_the_lock_does_not_depend_on_ranks(project: Project) -> None:
    """Only hashes of outputs differ, by rounding and since each rank draws its own dropout."""
    locks, curves = [], []
    for launch in ("", LAUNCH):
        command = ["dvc", "repro", "--single-item", "--force", "train"]
        result = project.run(*command, LAUNCH=launch)
        assert epochs(result.stdout) == list(range(1, EPOCHS + 1)), result.stderr
        assert ("under torchrun" in result.stdout) == bool(launch)
        lock = yaml.safe_load((project.root / "dvc.lock").read_text())
        outputs = lock["stages"]["train"].pop("outs")
        assert [output["path"] for output in outputs] == ["data/model", "plots/training.csv"]
        locks.append(lock)
        curves.append((project.root / "plots/training.csv").read_bytes())
    assert locks[0] == locks[1]
    assert curves[0] != curves[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train.learning_rate": -1}, r"^error: params\.yaml: 1 error\n"),
        pytest.param(
            {"train.learning_rate": 1e30},
            r"error: train: the loss is no longer finite in epoch 1",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_user_error_in_ranks_is_printed_once(
    project: Project, changes: dict[str, float], message: str
) -> None:
    project.set(changes)
    result = project.run("python", "-m", "stages.train", LAUNCH=LAUNCH)
    assert_refused(result, message)
    assert result.stderr.count("error") <= 2  # "error: params.yaml: 1 error"
    assert len(result.stderr.splitlines()) <= 2


def test_an_interrupt_in_ranks_is_reported_once(project: Project) -> None:
    project.set({"train.epochs": 40})
    process = subprocess.Popen(
        ["python", "-u", "-m", "stages.train"],
        cwd=project.root,
        env=environment(LAUNCH=LAUNCH, PYTHONWARNINGS=INTERRUPTED),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,
    )
    assert process.stdout is not None
    while not process.stdout.readline().startswith("epoch 2:"):
        pass
    process.send_signal(signal.SIGINT)
    assert_refused(finish(process), r"^interrupted: .* saved; run dvc repro to continue\n$")
