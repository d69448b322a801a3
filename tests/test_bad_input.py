"""Errors as a user meets them: a message, exit code 1, no traceback, nothing half-written."""

import re
import subprocess
from typing import Any

import pytest

from tests.conftest import Project, assert_refused, environment, unfinished


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train.epochs": 0}, r"train\.epochs: must be at least 1, or 0 with model\.weights"),
        ({"model.weights": "own.safetensors"}, r"model\.weights: must be null or the name of a "),
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
        (
            "train",
            {"train.epochs": 0},
            r"train\.epochs: must be at least 1, or 0 with model\.weigh",
        ),
        (
            "train",
            {"model.standardize": {"mean": [0.5] * 3, "std": [0.5] * 3}},
            r"model\.standardize: needs as many numbers as the images have channels, 1 \(got 3\)",
        ),
        (
            "train",
            {"device": "cuda:7"},
            r"device: on this machine, must be one of auto, .*cpu.*\(got 'cuda:7'\)",
        ),
        ("preprocess", {"preprocess.limit": 12}, r"validation_fraction: 0\.1 of 12 images"),
        ("explain", {"explain.n_background": 541}, r"must be at most 540, the size of the train"),
        ("explain", {"explain.images": [3, 600]}, r"must lie in 0 … 599, .*\(got 600\)"),
        (
            "explain",
            {"explain.outputs": [3, "seven"]},
            r"explain\.outputs: no class is called 'seven'; classes: '0', '1', ",
        ),
        ("explain", {"explain.outputs": [10]}, r"must lie in 0 … 9 \(got 10\)"),
        ("check", {"explain.outputs": "top"}, r"explain\.outputs: must be all, predicted, \{top: "),
        ("explain", {"explain.tolerance": 1e-12}, r"of image \d+ for output \d+ miss its"),
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
            "def build(network, background, seed):\n"
            "    return lambda images, classes: images.numpy()",
            r"method own: returned ndarray, expected Attributions, of stages/explainers/base",
        ),
        (
            "explain",
            "explainers/own.py",
            "from stages.explainers.base.contract import Attributions\n"
            "def build(network, background, seed):\n"
            "    return lambda images, classes: Attributions(images.numpy())",
            r"method own: returned attributions of shape \(3, 1, 28, 28\), expected \(3, 1, 28,",
        ),
        (
            "explain",
            "explainers/own.py",
            "from stages.explainers.base.contract import Attributions\n"
            "def build(network, background, seed):\n"
            "    return lambda images, classes: Attributions(\n"
            "        images[..., None].expand(3, 1, 28, 28, 10).numpy(), images.numpy())",
            r"returned groups of shape \(3, 1, 28, 28\), expected \(3, 10, 28, 28, 10\)",
        ),
        (
            "explain",
            "explainers/own.py",
            "def build(network, background, seed):\n    return lambda images, classes: 1 / 0",
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
