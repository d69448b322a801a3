"""Errors as a user meets them: a message, exit code 1, no traceback, nothing half-written."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Project, environment


def assert_refused(result: subprocess.CompletedProcess[str], message: str) -> None:
    assert result.returncode == 1, result.stdout + result.stderr
    assert re.search(message, result.stderr), result.stderr
    assert "Traceback" not in result.stderr


def interruptible() -> None:
    """Undo what a shell does to its background jobs, which ignore Ctrl-C with all they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def unfinished(project: Project) -> list[Path]:
    return list(project.root.rglob("*.partial"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train.epochs": 0}, r"train\.epochs: must be greater than or equal to 1 \(got 0\)"),
        ({"train.learning_rate": -1}, r"train\.learning_rate: must be greater than 0 \(got -1\)"),
        (
            {"model.architecture": "convent"},
            r"unknown network .*known: .*did you mean convn",
        ),
        ({"explain.method": "lime"}, r"unknown method \(got 'lime'\); known: .*shap_deep"),
        ({"data.dataset": "imagenet"}, r"unknown data set \(got 'imagenet'\); known: .*mnist"),
    ],
)
def test_dvc_stops_at_an_error_before_any_work(
    project: Project, changes: dict[str, Any], message: str
) -> None:
    project.set(changes)
    result = project.run("dvc", "repro")
    assert result.returncode != 0
    assert re.search(message, result.stderr), result.stderr
    assert re.findall(r"Running stage '(\w+)'", result.stdout) == ["check"]


@pytest.mark.parametrize(
    ("stage", "changes", "message"),
    [
        ("check", {"train.epochs": 0, "seed": -1}, r"2 errors\n  seed: .*\n  train\.epochs: "),
        ("train", {"train.epochs": 0}, r"train\.epochs: must be greater than or equal to 1"),
        (
            "train",
            {"device": "cuda:7"},
            r"device: on this machine, must be one of auto, .*cpu.*\(got 'cuda:7'\)",
        ),
        ("preprocess", {"preprocess.limit": 12}, r"validation_fraction: 0\.1 of 12 images"),
        ("explain", {"explain.n_background": 541}, r"must be at most 540, the size of the train"),
        ("explain", {"explain.images": [3, 600]}, r"must lie in 0 … 599, .*\(got 600\)"),
        ("explain", {"explain.tolerance": 1e-12}, r"of test image \d+ for output \d+ miss its"),
    ],
)
def test_a_stage_refuses(
    project: Project, stage: str, changes: dict[str, Any], message: str
) -> None:
    project.set(changes)
    assert_refused(project.stage(stage), message)
    assert unfinished(project) == []


def test_a_loss_that_explodes(project: Project) -> None:
    project.set({"train.optimizer": "sgd", "train.learning_rate": 1e9, "train.keep": "last"})
    weights = project.root / "data/model/weights.safetensors"
    before = weights.read_bytes()
    message = r"the loss is no longer finite in epoch \d; lower train\.learning_rate"
    assert_refused(project.stage("train"), message)
    assert weights.read_bytes() == before


def test_a_damaged_archive_under_dvc(project: Project) -> None:
    archive = project.root / "data/embedded/mnist/t10k-labels-idx1-ubyte.xz"
    archive.write_bytes(archive.read_bytes()[:1000])
    result = project.run("dvc", "repro")
    assert result.returncode != 0
    assert (
        "cut short or damaged: restore it, for example with git checkout -- data/embedded"
        in result.stderr
    )
    project.succeed("git", "checkout", "--", "data/embedded")
    assert project.repro()["report"] == "unchanged"


@pytest.mark.parametrize(
    ("stage", "plugin", "content", "message"),
    [
        (
            "train",
            "architectures/own.py",
            "import nothing_of_the_kind",
            r"own\.py: cannot be imported",
        ),
        ("train", "architectures/own.py", "1 / 0", r"own\.py: cannot be imported: Zero"),
        ("train", "architectures/own.py", "x = 1", r"own\.py: must define build\(\)"),
        (
            "train",
            "architectures/own.py",
            "from torch import nn\ndef build(channels, image_size, n_classes):\n"
            "    return nn.Conv2d(channels, 3, 3)",
            r"own\.py: .* output of shape \(1, 3, 26, 26\), expected shape \(1, 10\)",
        ),
        (
            "explain",
            "explainers/own.py",
            "def build(network, background, seed):\n    return lambda images: images.numpy()",
            r"method own: returned attributions of shape \(3, 1, 28, 28\), expected \(3, 1, 28,",
        ),
        (
            "explain",
            "explainers/own.py",
            "def build(network, background, seed):\n    return lambda images: 1 / 0",
            r"explain\.method own: failed on this network: ZeroDivisionError",
        ),
    ],
)
def test_a_plugin_that_fails(
    project: Project, stage: str, plugin: str, content: str, message: str
) -> None:
    (project.root / "stages" / plugin).write_text(content + "\n")
    key = "model.architecture" if stage == "train" else "explain.method"
    project.set({key: "own"})
    assert_refused(project.stage(stage), message)


def test_a_source_that_is_not_there_under_dvc(project: Project) -> None:
    project.set({"data.source": "nowhere"})
    result = project.run("dvc", "repro")
    assert result.returncode != 0
    assert "data.source: must be a folder or file that exists" in result.stderr
    assert "(got 'nowhere')" in result.stderr


def test_outside_the_root(project: Project) -> None:
    result = subprocess.run(
        ["python", "-m", "stages.train"],
        cwd=project.root / "tests",
        env=environment(PYTHONPATH=str(project.root)),
        capture_output=True,
        text=True,
    )
    assert_refused(
        result, rf"stages run in the root of the repository, {project.root} \(got .*tests\)"
    )


def started(project: Project) -> "subprocess.Popen[str]":
    """The train stage, on its own."""
    return subprocess.Popen(
        ["python", "-u", "-m", "stages.train"],
        cwd=project.root,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,
    )


@contextmanager
def training(project: Project) -> Iterator["subprocess.Popen[str]"]:
    """A training that has begun and would go on for long."""
    project.set({"train.epochs": 40})
    process = started(project)
    assert process.stdout is not None
    assert "parameters on" in process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def finish(process: "subprocess.Popen[str]") -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def test_parameters_edited_while_a_stage_runs(project: Project) -> None:
    with training(project) as process:
        project.set({"train.epochs": 41})
        assert_refused(
            finish(process), r"params\.yaml: edited while the stage ran.*dvc repro again"
        )


def test_parameters_of_another_stage_may_be_edited(project: Project) -> None:
    with training(project) as process:
        project.set({"explain.n_background": 11})
        assert finish(process).returncode == 0


def importing(project: Project) -> "subprocess.Popen[str]":
    """A stage that has read its own code and is importing its libraries, which takes seconds."""
    process = started(project)
    maps = Path(f"/proc/{process.pid}/maps")
    while process.poll() is None and "libtorch_cpu" not in maps.read_text():
        time.sleep(0.01)
    return process


def test_code_edited_while_a_stage_starts(project: Project) -> None:
    process = importing(project)
    with (project.root / "stages/train.py").open("a") as source:
        source.write("# a comment\n")
    assert_refused(finish(process), r"stages/train\.py: edited while the stage ran")


def test_interrupted_while_a_stage_starts(project: Project) -> None:
    process = importing(project)
    process.send_signal(signal.SIGINT)
    assert_refused(finish(process), r"interrupted: ")


@pytest.mark.parametrize("file", ["stages/train.py", "stages/architectures/convnet.py"])
def test_code_edited_while_a_stage_runs(project: Project, file: str) -> None:
    with training(project) as process:
        with (project.root / file).open("a") as source:
            source.write("# a comment\n")
        assert_refused(finish(process), rf"{file}: edited while the stage ran")


def test_interrupted(project: Project) -> None:
    shutil.rmtree(project.root / "data/model")
    with training(project) as process:
        process.send_signal(signal.SIGINT)
        assert_refused(finish(process), r"interrupted: unfinished results were removed")
    assert not (project.root / "data/model").exists()
    assert unfinished(project) == []


def test_interrupted_in_code_from_a_string(project: Project) -> None:
    """Python would end by the signal then, whatever status it is asked to exit with."""
    sleep = "import time; print('asleep', flush=True); time.sleep(60)"
    code = f'def build(channels, image_size, n_classes):\n    exec("{sleep}")\n'
    (project.root / "stages/architectures/own.py").write_text(code)
    project.set({"model.architecture": "own"})
    process = started(project)
    assert process.stdout is not None
    assert process.stdout.readline() == "asleep\n"
    process.send_signal(signal.SIGINT)
    assert_refused(finish(process), r"interrupted: unfinished results were removed")


def test_interrupted_under_dvc(project: Project) -> None:
    """What a later run finds is whole: DVC does not take the interrupted stage for done."""
    project.set({"train.epochs": 40})
    process = subprocess.Popen(
        ["dvc", "repro"],
        cwd=project.root,
        env=environment(PYTHONUNBUFFERED="1"),
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


@pytest.mark.usefixtures("small_disks")
def test_a_full_disk_under_a_stage(project: Project) -> None:
    raw = sum(file.stat().st_size for file in (project.root / "data/raw").iterdir())
    script = f"""
        mv data kept && mkdir data
        mount -t tmpfs -o size={raw + 300_000} tmpfs data && cp -r kept/raw data/raw || exit 77
        python -m stages.preprocess
        status=$?
        ls data
        exit $status
    """
    project.set({"preprocess.limit": None})
    result = project.run("unshare", "--map-root-user", "--mount", "sh", "-c", script)
    assert_refused(result, r"data/prepared: cannot be written: .*; free some space")
    assert result.stdout.split()[-1] == "raw"
