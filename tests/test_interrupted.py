"""Runs that are interrupted or whose code is edited: a message, no incomplete files.

Edits during a training: tests/test_early_errors.py.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import Project, assert_refused, environment, unfinished

# Ctrl-C between opening a file and entering its `with` block leads to a ResourceWarning.
INTERRUPTED = "default,ignore::ResourceWarning"


def interruptible() -> None:
    """Accept Ctrl-C again, which background jobs of a shell and their children ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def started(project: Project, stage: str) -> "subprocess.Popen[str]":
    """Start a stage without DVC."""
    return subprocess.Popen(
        ["python", "-u", "-m", f"stages.{stage}"],
        cwd=project.root,
        env=environment(PYTHONWARNINGS=INTERRUPTED),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,
    )


@contextmanager
def training(project: Project, epochs: int = 20) -> Iterator["subprocess.Popen[str]"]:
    """A running training, which by default would take long."""
    project.set({"train.epochs": epochs})
    process = started(project, "train")
    assert process.stdout is not None
    assert "parameters on" in process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def finish(process: "subprocess.Popen[str]") -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def test_parameters_of_another_stage_may_be_edited(project: Project) -> None:
    with training(project, epochs=2) as process:
        project.set({"explain.n_background": 11})
        assert finish(process).returncode == 0


def importing(project: Project) -> "subprocess.Popen[str]":
    """A stage that has taken its snapshot and is importing libraries, which takes seconds."""
    process = started(project, "train")
    maps = Path(f"/proc/{process.pid}/maps")
    while process.poll() is None and "libtorch_cpu" not in maps.read_text():
        time.sleep(0.01)
    return process


def test_editing_code_while_a_stage_starts_stops_it(project: Project) -> None:
    process = importing(project)
    with (project.root / "stages/train.py").open("a") as source:
        source.write("# a comment\n")
    assert_refused(finish(process), r"stages/train\.py: edited while the stage ran")


def test_an_interrupt_while_a_stage_starts(project: Project) -> None:
    process = importing(project)
    process.send_signal(signal.SIGINT)
    assert_refused(finish(process), r"interrupted: ")


def test_an_interrupt_leaves_nothing_unfinished(project: Project) -> None:
    shutil.rmtree(project.root / "data/model")
    with training(project) as process:
        process.send_signal(signal.SIGINT)
        assert_refused(finish(process), r"interrupted: unfinished results were removed")
    assert not (project.root / "data/model").exists()
    assert unfinished(project) == []


def test_an_interrupt_inside_exec(project: Project) -> None:
    """In this case Python would exit with the signal and ignore the exit code."""
    sleep = "import time; print('asleep', flush=True); time.sleep(60)"
    code = f'def build(channels, image_size, n_classes):\n    exec("{sleep}")\n'
    (project.root / "stages/architectures/own.py").write_text(code)
    project.set({"model.architecture": "own"})
    process = started(project, "train")
    assert process.stdout is not None
    assert process.stdout.readline() == "asleep\n"
    process.send_signal(signal.SIGINT)
    assert_refused(finish(process), r"interrupted: unfinished results were removed")


def test_an_interrupt_under_dvc(project: Project) -> None:
    """DVC reruns the interrupted stage."""
    project.set({"train.epochs": 40})
    process = subprocess.Popen(
        ["dvc", "repro"],
        cwd=project.root,
        env=environment(PYTHONUNBUFFERED="1", PYTHONWARNINGS=INTERRUPTED),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=interruptible,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "parameters on" in line:
            break
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "interrupted: unfinished results were removed" in rest
    assert unfinished(project) == []
    project.set({"train.epochs": 3})
    assert project.repro()["train"] == "ran"
