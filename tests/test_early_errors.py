"""Errors that are reported before expensive work starts: the real DVC, a user's networks."""

import re
import shutil
from typing import Any

import pytest
from safetensors.torch import save_file

from stages.networks.build import build_network, source_location
from tests.conftest import ROOT, Project, assert_refused, commit, outcomes
from tests.factory import dataset_info
from tests.test_interrupted import finish, training

ATTENTION = """
import torch
from torch import nn

class Attention(nn.Module):
    def forward(self, x):
        return {body}

class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = Attention()

    def forward(self, x):
        return self.attention(x)

class Net(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.encoder = Encoder()
        self.head = nn.Linear(784, n_classes)

    def forward(self, x):
        return self.head(self.encoder(x.flatten(1)))

def build(channels, image_size, n_classes):
    return Net(n_classes)
"""


@pytest.mark.parametrize(
    ("body", "output", "message"),
    [
        pytest.param(
            *("x.cummax(dim=1).values", "logits", "cummax: no rule for it"), marks=pytest.mark.slow
        ),
        ("x if x.sum() > 0 else -x", "probabilities", "forward: its control flow depends on"),
    ],
)
def test_networks_that_cannot_be_explained_are_not_trained(
    project: Project, body: str, output: str, message: str
) -> None:
    (project.root / "stages/architectures/attn.py").write_text(ATTENTION.format(body=body))
    project.set({"model.architecture": "attn", "explain.output": output})
    result = project.run("dvc", "repro")
    assert result.returncode != 0
    where = r"stages/architectures/attn\.py: encoder\.attention \(Attention\): "
    assert_refused(project.run("python", "-m", "stages.preflight"), where + message)
    assert "encoder.attention (Attention): " in result.stderr
    assert outcomes(result.stdout)["preflight"] == "ran"
    assert "train" not in outcomes(result.stdout)

    project.set({"explain.method": "shap_gradient"})  # it accepts any network
    project.succeed("dvc", "repro", "train")


OTHER_HEAD = {"model.architecture": "single_conv", "model.weights": "seven.safetensors"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"explain.n_background": 541}, r"n_background: must be at most 540, the size of the trai"),
        ({"explain.images": [3, 600]}, r"explain\.images: positions in .* 0 … 599 \(got 600\)"),
        ({"explain.images": ["per_class", "cats/1.jpg"]}, r"no test image is called 'cats/1\.jpg'"),
        ({"explain.outputs": [3, "seven"]}, r"explain\.outputs: no class is called 'seven'"),
        ({"explain.outputs": [10]}, r"explain\.outputs: class numbers must be 0 … 9 \(got 10\)"),
        ({"explain.outputs": {"top": 11}}, r"outputs\.top: must be at most 10, the number of clas"),
        (OTHER_HEAD, r"seven\.safetensors: does not fit the network:\n  differing: .*weight \(7×"),
        (
            {"model.standardize": {"mean": [0.5] * 3, "std": [0.5] * 3}},
            r"model\.standardize: needs one number per channel, so 1 \(got 3\)",
        ),
    ],
)
def test_what_the_data_set_does_not_have_is_reported_before_training(
    project: Project, changes: dict[str, Any], message: str
) -> None:
    seven = build_network("single_conv", dataset_info("0123456"), {})[1].state_dict()
    save_file(seven, project.root / "weights/seven.safetensors")
    project.set(changes)
    marker = project.root / "data/preflight"
    marker.unlink()
    assert_refused(project.stage("preflight"), message)
    assert not marker.exists(), "so DVC does not start training"


def test_a_large_background_is_reported_by_dvc_before_training(project: Project) -> None:
    project.set({"preprocess.limit": 100, "explain.n_background": 100})
    result = project.run("dvc", "repro")
    assert result.returncode != 0
    assert "explain.n_background: must be at most 90" in result.stderr
    assert "train" not in outcomes(result.stdout)
    project.set({"explain.n_background": 90})
    ran = {stage for stage, outcome in project.repro("explain").items() if outcome == "ran"}
    assert {"preflight", "train", "explain"} <= ran


def test_a_network_for_small_batches_is_not_trained(project: Project) -> None:
    """Explain calls it with more images than this method while it is prepared."""
    source = ATTENTION.format(body="x.reshape(len(x) if len(x) < 3 else 1, -1)")
    (project.root / "stages/architectures/attn.py").write_text(source)
    project.set({"model.architecture": "attn", "explain.method": "shap_gradient"})
    message = r"stages/architectures/attn\.py: fails when it is called again, with a batch of 5: "
    assert_refused(project.stage("preflight"), message)


STAGES = sorted({file.stem for file in (ROOT / "stages").glob("*.py")} - {"__init__"})
FAST = {"check", "quality"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in STAGES],
)
def test_a_stage_started_as_a_script_names_the_command(project: Project, name: str) -> None:
    script = f"stages/{name}.py"
    result = project.run("python", script, PYTHONPATH=str(project.root))
    assert_refused(result, rf"^error: {script}: .* run python -m stages\.{name} in the root")


def test_another_method_and_engine_rerun_preflight_but_not_train(project: Project) -> None:
    project.set({"explain.method": "integrated_gradients", "explain.tolerance": 1})
    with (project.root / "stages/preflight.py").open("a") as source:
        source.write("# a comment\n")
    with (project.root / "engine/src/deepshap/engine.py").open("a") as source:
        source.write("# a comment\n")
    ran = {stage for stage, outcome in project.repro().items() if outcome == "ran"}
    assert ran == {"check", "preflight", "explain", "quality", "shortcuts", "report"}


def test_module_paths_of_library_networks_are_the_authors_own() -> None:
    info = dataset_info("ab", (64, 64))
    network = build_network("torchvision", info, {"name": "resnet18"})
    file = "stages/architectures/torchvision.py"
    assert source_location(network, "1.1.layer1.0 (Block)") == f"{file}: layer1.0 (Block)"
    assert source_location(network, "1.1 (ResNet)") == f"{file}: ResNet.forward"
    assert source_location(network, "1.1.layer1.stage.deep (Conv)") == (
        f"{file}: layer1.stage.deep (Conv)"
    )
    assert source_location(network, "1.1.stage.deep (Conv)") == f"{file}: stage.deep (Conv)"
    assert source_location(network, "Classifier") == f"{file}: ResNet.forward"


def test_editing_parameters_during_training_stops_it_after_the_epoch(project: Project) -> None:
    with training(project) as process:
        project.set({"train.epochs": 21})
        result = finish(process)
    assert_refused(result, r"params\.yaml: edited while the stage ran.*dvc repro again")
    assert result.stdout.count("epoch ") < 10  # of 20


@pytest.mark.parametrize("file", ["stages/training/fitting.py", "stages/architectures/convnet.py"])
def test_editing_code_during_training_stops_it_after_the_epoch(project: Project, file: str) -> None:
    with training(project) as process:
        with (project.root / file).open("a") as source:
            source.write("# a comment\n")
        result = finish(process)
    assert_refused(result, rf"{file}: edited while the stage ran")
    assert result.stdout.count("epoch ") < 10


@pytest.mark.parametrize("where", ["at the top", "late"])
def test_imports_that_dvc_does_not_track_are_rejected(project: Project, where: str) -> None:
    """A plug-in imports a neighbouring file; after an edit of it, results would be stale."""
    folder = project.root / "stages/architectures"
    (folder / "helper.py").write_text("WIDTH = 3\n")
    source = (folder / "lenet.py").read_text()
    line = "from stages.architectures.helper import WIDTH\n"
    if where == "at the top":
        source = source.replace("from torch import nn\n", f"{line}from torch import nn\n")
        importer, stages = (
            r"stages/architectures/own\.py imports it",
            "preflight, train, evaluate, explain, quality, shortcuts there",
        )
    else:
        source += (
            f"\n_build = build\ndef build(*arguments):\n    {line}    return _build(*arguments)"
        )
        importer, stages = "stage train imports it", "train there"
    (folder / "own.py").write_text(source)
    project.set({"model.architecture": "own"})
    message = rf"stages/architectures/helper\.py: {importer}.*add it to the deps of {stages}"
    assert_refused(project.stage("train"), message)

    # Both fixes that the message names.
    declared = (project.root / "dvc.yaml").read_text()
    dep = "- stages/architectures/${model.architecture}.py\n"
    (project.root / "dvc.yaml").write_text(
        declared.replace(dep, f"{dep}      - stages/architectures/helper.py\n")
    )
    assert project.stage("train").returncode == 0
    (project.root / "dvc.yaml").write_text(declared)
    shutil.move(folder / "helper.py", folder / "base/helper.py")
    moved = source.replace("architectures.helper", "architectures.base.helper")
    (folder / "own.py").write_text(moved)
    assert project.stage("train").returncode == 0


def test_adding_the_deps_that_the_message_names_is_enough(project: Project) -> None:
    """Stage check loads the network, but depends on the whole folder of networks."""
    (project.root / "stages/helper.py").write_text("DEPTH = 3\n")
    (project.root / "stages/architectures/own.py").write_text(
        "from torch import nn\n"
        "from stages.helper import DEPTH\n\n"
        "def build(channels, image_size, n_classes, *, width=1):\n"
        "    return nn.Sequential(nn.Flatten(), nn.LazyLinear(n_classes))\n"
    )
    project.set({"model.architecture": "own", "model.options": {"width": 2}})
    refused = project.stage("check")
    assert_refused(refused, r"stages/helper\.py: stages/architectures/own\.py imports it")
    named = re.search(r"deps of (.+) there", refused.stderr)
    assert named is not None
    file = project.root / "dvc.yaml"
    for name in named[1].split(", "):
        deps = rf"(\n  {name}:\n(?:    .*\n|\n)*?    deps:\n)"
        added = r"\1      - stages/helper.py\n"
        file.write_text(re.sub(deps, added, file.read_text()))
    assert project.stage("check").returncode == 0


@pytest.mark.slow  # an experiment; names of networks are tested with one, too
def test_an_experiment_names_a_plugin_that_git_does_not_track(project: Project) -> None:
    shutil.copy(
        project.root / "stages/architectures/lenet.py", project.root / "stages/architectures/own.py"
    )
    command = ["dvc", "exp", "run", "--temp", "--set-param", "model.architecture=own", "train"]
    result = project.run(*command)
    assert result.returncode != 0
    assert (
        "unknown network (got 'own'): stages/architectures/own.py is in the workspace, but "
        "experiments see only files that Git or DVC tracks: run git add stages/architectures/own.py"
    ) in result.stderr
    project.succeed("git", "add", "stages/architectures/own.py")
    project.succeed(*command)


def test_an_experiment_with_an_unknown_network_name(project: Project) -> None:
    result = project.run("dvc", "exp", "run", "--temp", "-S", "model.architecture=lenett")
    assert "did you mean lenet?, or add stages/architectures/<name>.py and git add it" in (
        result.stderr
    )


@pytest.mark.slow  # the message is that of a plug-in
def test_own_data_can_be_added_inside_the_data_folder(project: Project) -> None:
    """After `dvc add data/pets`, Git tracks only the file that DVC writes."""
    shutil.copytree(project.root / "data/embedded/mnist", project.root / "data/pets/mnist")
    command = ["dvc", "exp", "run", "--temp", "--set-param", "data.source=data/pets", "download"]
    before = project.run(*command)
    assert "data/pets is in the workspace, but experiments see only" in before.stderr
    assert "run dvc add data/pets, then try again" in before.stderr
    project.succeed("dvc", "add", "data/pets")
    added = project.run(*command)
    assert "run git add data/pets.dvc data/.gitignore, then try again" in added.stderr
    project.succeed("git", "add", "data/pets.dvc", "data/.gitignore")
    commit(project, "Add my data")
    listed = project.succeed("git", "ls-files", "data").split()
    assert "data/pets.dvc" in listed
    assert not any(name.startswith("data/pets/") for name in listed)
    project.succeed(*command)


@pytest.mark.slow
def test_an_experiment_names_weights_that_dvc_does_not_track(project: Project) -> None:
    weights = project.root / "weights/own.safetensors"
    shutil.copy(project.root / "data/model/weights.safetensors", weights)
    command = ["dvc", "exp", "run", "--temp", "-S", "model.weights=own.safetensors", "train"]
    result = project.run(*command)
    assert "weights/own.safetensors is in the workspace, but experiments see only" in (
        result.stderr
    )
    project.succeed("dvc", "add", "weights/own.safetensors")
    project.succeed("git", "add", "weights")
    project.succeed(*command)
