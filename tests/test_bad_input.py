"""Errors as a user sees them: a message, exit code 1, no traceback, no incomplete files."""

import re
import subprocess
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from tests.conftest import Project, assert_refused, environment, unfinished


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train.epochs": 0}, r"train\.epochs: must be at least 1, or 0 with model\.weights"),
        (
            {"device": "cuda:99"},
            r"device: on this machine, must be one of auto, cpu.*\(got 'cuda:9",
        ),
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
        (
            "check",
            {"model.weights": "own.safetensors"},
            r"model\.weights: must be null or the name of a ",
        ),
        ("check", {"train.epochs": 0, "seed": -1}, r"2 errors\n  seed: .*\n  train\.epochs: "),
        (
            "train",
            {"model.standardize": {"mean": [0.5] * 3, "std": [0.5] * 3}},
            r"model\.standardize: needs one number per channel, so 1 \(got 3\)",
        ),
        ("check", {"device": "cuda:99", "seed": -1}, r"2 errors\n  device: on this .*\n  seed: "),
        ("preprocess", {"preprocess.limit": 12}, r"validation_fraction: 0\.1 of 12 images"),
        ("explain", {"explain.images": [3, 600]}, r"must be 0 … 599 .*\(got 600\)"),
        ("check", {"explain.outputs": "top"}, r"explain\.outputs: must be all, predicted, \{top: "),
        ("explain", {"explain.tolerance": 1e-12}, r"of image \d+ for output \d+ miss its"),
    ],
)
def test_a_stage_rejects_invalid_parameters(
    project: Project, stage: str, changes: dict[str, Any], message: str
) -> None:
    project.set(changes)
    assert_refused(project.stage(stage), message)
    assert unfinished(project) == []


def test_an_exploding_loss_is_reported(project: Project) -> None:
    project.set({"train.optimizer": "sgd", "train.learning_rate": 1e9, "train.keep": "last"})
    weights = project.root / "data/model/weights.safetensors"
    before = weights.read_bytes()
    message = r"the loss is no longer finite in epoch \d; lower train\.learning_rate"
    assert_refused(project.stage("train"), message)
    assert weights.read_bytes() == before


def test_a_damaged_archive_is_reported_under_dvc(project: Project) -> None:
    archive = project.root / "data/embedded/mnist/t10k-labels-idx1-ubyte.xz"
    archive.write_bytes(archive.read_bytes()[:1000])
    result = project.run("dvc", "repro")
    assert result.returncode != 0
    assert "truncated or damaged: restore it with git checkout -- data/embedded" in result.stderr
    project.succeed("git", "checkout", "--", "data/embedded")
    assert project.repro()["report"] == "unchanged"


def test_a_missing_archive_is_reported(project: Project) -> None:
    (project.root / "data/embedded/mnist/t10k-labels-idx1-ubyte.xz").unlink()
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    result = project.run("python", "-m", "stages.download", **nowhere)
    advice = "To fix this, run git checkout -- data/embedded, since Git has the file, or connect"
    assert_refused(result, advice)
    project.succeed("git", "checkout", "--", "data/embedded")
    assert project.stage("download").returncode == 0


def test_the_suggested_command_restores_only_a_missing_line(project: Project) -> None:
    """The command in the message asks about each edit; other edits stay."""
    params = project.root / "params.yaml"
    committed = params.read_text()
    project.set({"seed": 5})
    params.write_text(params.read_text().replace("  fade: false\n", ""))
    assert_refused(
        project.stage("check"), r"report\.fade: missing; add it, or run git checkout --patch param"
    )
    command = ["git", "checkout", "--patch", "params.yaml"]
    subprocess.run(command, cwd=project.root, input="n\ny\n", text=True, check=True)
    assert params.read_text() == committed.replace("seed: 0\n", "seed: 5\n", 1)


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
            "train",
            "architectures/own.py",
            "from torch import nn\ndef build(channels, image_size, n_classes):\n"
            "    return nn.Sequential(nn.Conv2d(channels, 9, 28), nn.BatchNorm2d(9), nn.Flatten(),"
            "        nn.Linear(9, n_classes))",
            r"train\.batch_size: batch norm of .*own\.py needs two .* 540 images in batches",
        ),
        (
            "train",
            "architectures/own.py",
            "from torch import nn\nclass Own(nn.Linear):\n"
            "    def forward(self, x):\n"
            "        return (super().forward(x.flatten(1)),) if self.training else "
            "super().forward(x.flatten(1))\n"
            "def build(channels, image_size, n_classes):\n    return Own(784, n_classes)",
            r"own\.py: fails in training: AttributeError: 'tuple'",
        ),
        (
            "check",
            "architectures/own.py",
            "def build(channels, image_size, n_classes, *, width: 'Nothing' = 3):\n    pass",
            r"own\.py: the signature of build\(\) cannot be read: NameError: name 'Nothing'",
        ),
        (
            "download",
            "datasets/own.py",
            "def fetch(origin, folder):\n    {}['x']\ndef read(folder):\n    pass",
            r"datasets/own\.py: fetch\(\) fails: KeyError: 'x'; fix that file",
        ),
        (
            "explain",
            "explainers/own.py",
            "def build(network, background, seed):\n"
            "    return lambda images, classes: images.numpy()",
            r"method own: returned ndarray, expected Attributions from stages/explainers/base",
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
def test_errors_in_a_plugin_are_reported(
    project: Project, stage: str, plugin: str, content: str, message: str
) -> None:
    (project.root / "stages" / plugin).write_text(content + "\n")
    keys = {"architectures": "model.architecture", "datasets": "data.dataset"}
    project.set({keys.get(plugin.split("/")[0], "explain.method"): "own"})
    if "BatchNorm" in content:
        project.set({"train.batch_size": 77})  # 540 images make seven such batches and one image
    if stage == "check":
        project.set({"model.options": {"width": 3}})
    assert_refused(project.stage(stage), message)


def test_a_stage_without_its_inputs_names_the_missing_file(fresh_project: Project) -> None:
    message = (
        r"data/prepared/dataset\.json: no such file; an earlier stage writes it: run dvc repro"
    )
    assert_refused(fresh_project.stage("train"), message)


def test_too_little_memory_is_reported(project: Project) -> None:
    limited = "ulimit -v 12000000; exec python -m stages.preprocess"
    project.set({"preprocess.image_size": 8000})
    assert_refused(
        project.run("sh", "-c", limited), r"not enough memory \(.*preprocess\.image_size"
    )


def test_outputs_that_are_not_finite_are_reported(project: Project) -> None:
    weights = load_file(project.root / "data/model/weights.safetensors")
    name = max(weights)
    weights[name][:] = float("nan")
    save_file(weights, project.root / "data/model/weights.safetensors")
    message = r"convnet gives outputs that are not finite for 600 of 600 test images; check model\."
    assert_refused(project.stage("evaluate"), message)


def test_a_missing_source_is_reported_under_dvc(project: Project) -> None:
    project.set({"data.source": "nowhere"})
    result = project.run("dvc", "repro")
    assert result.returncode != 0
    assert "data.source: must be a folder or file that exists" in result.stderr
    assert "(got 'nowhere')" in result.stderr


def test_running_outside_the_root_is_reported(project: Project) -> None:
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
def test_a_full_disk_stops_a_stage(project: Project) -> None:
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
