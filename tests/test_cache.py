"""What reruns when something changes, according to the real DVC."""

import contextlib
import json
import shutil
from typing import Any

import pytest
import yaml
from dvc.repo import Repo

from tests.conftest import ROOT, Project, copy, outcomes

FROM_SHAP = {"explain", "quality", "report"}
SEARCH = {"shortcuts", "report"}
FROM_WEIGHTS = {"train", "evaluate", *FROM_SHAP, *SEARCH}
FROM_NETWORK = {"preflight", *FROM_WEIGHTS}
FROM_SPLITS = {"preprocess", *FROM_NETWORK}
EVERYTHING = {"download", *FROM_SPLITS}
FROM_QUALITY = {"quality", "report"}

# For every parameter: another allowed value, and the stages that then run again because their
# inputs differ. `check`, which reads all parameters, is not listed.
RERUNS: dict[str, tuple[Any, set[str]]] = {
    "device": ("cpu", FROM_NETWORK),
    "seed": (1, FROM_SPLITS),
    "data.dataset": ("fashion_mnist", EVERYTHING),
    "data.source": ("elsewhere", EVERYTHING),
    "data.mirrors": (["https://mirror.example/"], EVERYTHING),
    "data.labels": ("multiple", EVERYTHING),
    "data.skip_damaged": (True, EVERYTHING),
    "data.options": ({"split": "letters"}, EVERYTHING),
    "preprocess.validation_fraction": (0.2, FROM_SPLITS),
    "preprocess.test_fraction": (0.3, FROM_SPLITS),
    "preprocess.image_size": (20, FROM_SPLITS),
    "preprocess.color": ("rgb", FROM_SPLITS),
    "preprocess.pixel_range": ("data", FROM_SPLITS),
    "preprocess.group": ("folder", FROM_SPLITS),
    "preprocess.limit": (500, FROM_SPLITS),
    "model.architecture": ("lenet", FROM_NETWORK),
    "model.options": ({"blocks": 1}, FROM_NETWORK),
    "model.weights": ("own.safetensors", FROM_NETWORK),
    "model.skip_weights": (["fc.*"], FROM_NETWORK),
    "model.standardize": ({"mean": [0.5], "std": [0.5]}, FROM_NETWORK),
    "train.epochs": (1, FROM_WEIGHTS),
    "train.batch_size": (64, FROM_WEIGHTS),
    "train.optimizer": ("sgd", FROM_WEIGHTS),
    "train.learning_rate": (1e-3, FROM_WEIGHTS),
    "train.head_learning_rate": (1e-2, FROM_WEIGHTS),
    "train.momentum": (0.5, FROM_WEIGHTS),
    "train.weight_decay": (1e-4, FROM_WEIGHTS),
    "train.schedule": ("constant", FROM_WEIGHTS),
    "train.precision": ("bfloat16", FROM_WEIGHTS),
    "train.keep": ("last", FROM_WEIGHTS),
    "train.augment": (["shift"], FROM_WEIGHTS),
    "train.class_weights": ("balanced", FROM_WEIGHTS),
    "train.freeze": ("all_but_head", FROM_WEIGHTS),
    "train.seed": (1, FROM_WEIGHTS),
    "explain.method": ("shap_gradient", {"preflight", *FROM_SHAP, *SEARCH}),
    "explain.output": ("probabilities", {"preflight", *FROM_SHAP}),
    "explain.outputs": ("predicted", {"preflight", *FROM_SHAP}),
    "explain.n_background": (12, {"preflight", *FROM_SHAP, *SEARCH}),
    "explain.background": ("random", FROM_SHAP | SEARCH),
    "explain.images": ("random", {"preflight", *FROM_SHAP}),
    "explain.n_images": (4, FROM_SHAP),
    "explain.seed": (1, FROM_SHAP | SEARCH),
    "explain.tolerance": (1e-2, FROM_SHAP | SEARCH),
    "quality.n_images": (4, FROM_QUALITY),
    "quality.methods": (["edges"], FROM_QUALITY),
    "shortcuts.n_images": (30, SEARCH),
    "shortcuts.split": ("train", SEARCH),
    "report.colormap": ("orange_purple", {"report"}),
    "report.fade": (True, {"report"}),
    "report.grain": (4, {"report"}),
}


def leaves(params: dict[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for key, value in params.items():
        name = f"{prefix}{key}"
        found |= leaves(value, f"{name}.") if isinstance(value, dict) and value else {name}
    return found


def test_every_parameter_has_a_row() -> None:
    assert set(RERUNS) == leaves(yaml.safe_load((ROOT / "params.yaml").read_text()))


@pytest.fixture(scope="module")
def toggled(ran_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy whose parameters are changed one at a time and put back."""
    project = copy(ran_project, tmp_path_factory.mktemp("toggled") / "clone")
    shutil.copytree(project.root / "data/embedded", project.root / "elsewhere")
    weights = project.root / "data/model/weights.safetensors"
    shutil.copy(weights, project.root / "weights/own.safetensors")
    return project


def changed_stages(project: Project) -> set[str]:
    """The stages that `dvc status` names, without a process for each call."""
    with contextlib.chdir(project.root), Repo() as repo:
        return set(repo.status())


@pytest.mark.parametrize("parameter", RERUNS)
def test_a_changed_parameter_reaches_exactly_its_stages(toggled: Project, parameter: str) -> None:
    value, reruns = RERUNS[parameter]
    params = toggled.root / "params.yaml"
    before = params.read_text()
    toggled.set({parameter: value})
    try:
        changed = changed_stages(toggled)
    finally:
        params.write_text(before)
    assert "check" in changed
    assert reruns == with_descendants(changed - {"check"})
    # Other stages' parameters reach a figure only through results that differ.
    assert ("report" in changed) == parameter.startswith("report.")


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("datasets/mnist.py", {"check", "download", "preprocess"}),
        ("datasets/base/idx.py", {"check", "download", "preprocess"}),
        (
            "architectures/convnet.py",
            {"check", "preflight", "train", "evaluate", "explain", "quality", "shortcuts"},
        ),
        (
            "networks/build.py",
            {"preflight", "train", "evaluate", "explain", "quality", "shortcuts"},
        ),
        ("training/initial/network.py", {"preflight", "train"}),
        ("training/fitting.py", {"train"}),
        ("explainers/deep.py", {"preflight", "explain", "quality", "shortcuts"}),
        (
            "../engine/src/deepshap/engine.py",
            {"preflight", "explain", "quality", "shortcuts"},
        ),
        ("shortcut_search/scan.py", {"shortcuts"}),
        ("datasets/cifar10.py", {"check"}),  # not the chosen one
        ("architectures/lenet.py", {"check"}),
        ("explainers/shap_deep.py", {"quality"}),  # which may compare any
        ("measures/explanations/removal_gain.py", {"quality"}),
        ("figures/sheets.py", {"report"}),
        ("explorer/page/explorer.css", {"report"}),
    ],
)
def test_a_changed_file_reaches_exactly_its_stages(
    toggled: Project, file: str, expected: set[str]
) -> None:
    """Changing a network, data set or method alone never redraws a figure."""
    path = toggled.root / "stages" / file
    before = path.read_bytes()
    path.write_bytes(before + b"\n")
    try:
        assert changed_stages(toggled) == expected
    finally:
        path.write_bytes(before)


def with_descendants(stages: set[str]) -> set[str]:
    """The stages and everything downstream; the markers of check and preflight never change."""
    declared = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    constant = {"data/checked", "data/preflight"}
    outputs = {stage: set(declared[stage]["outs"]) - constant for stage in declared}
    reached: set[str] = set()
    while stages - reached:
        reached |= stages
        written = {output for stage in reached for output in outputs[stage]}
        stages = reached | {s for s in declared if written & set(declared[s]["deps"])}
    return reached


@pytest.mark.parametrize(
    ("parameter", "value", "ran"),
    [
        ("train.epochs", 1, FROM_WEIGHTS),
        # The same stages as for train.epochs.
        pytest.param("train.learning_rate", 1e-3, FROM_WEIGHTS, marks=pytest.mark.slow),
        pytest.param(
            "explain.outputs", {"top": 3}, {"preflight", *FROM_SHAP}, marks=pytest.mark.slow
        ),
        # The results record the parameters that made them, so the report is drawn again.
        pytest.param("device", "cpu", FROM_NETWORK, marks=pytest.mark.slow),
        ("report.colormap", "orange_purple", {"report"}),
    ],
)
def test_really_run_and_really_restored(
    project: Project, parameter: str, value: object, ran: set[str]
) -> None:
    before = (project.root / "params.yaml").read_text()
    lock = (project.root / "dvc.lock").read_bytes()
    project.set({parameter: value})
    there = project.repro()
    assert {stage for stage, outcome in there.items() if outcome == "ran"} == ran | {"check"}
    (project.root / "params.yaml").write_text(before)
    back = project.repro()
    heavy = {"train", "explain", "quality", "shortcuts"}
    assert {stage: back[stage] for stage in ran & heavy} == dict.fromkeys(ran & heavy, "restored")
    assert all(back[stage] == "unchanged" for stage in EVERYTHING - ran)
    assert (project.root / "dvc.lock").read_bytes() == lock


def test_the_same_files_from_elsewhere_redraw_nothing(project: Project) -> None:
    shutil.copytree(project.root / "data/embedded", project.root / "elsewhere")
    project.set({"data.source": "elsewhere"})
    there = project.repro()
    assert {stage for stage, outcome in there.items() if outcome != "unchanged"} == {
        "check",
        "download",
    }


@pytest.mark.slow  # a whole run without forks
def test_a_second_run_leaves_the_lock_of_the_first(project: Project) -> None:
    """The first ran in forks (tests/preloaded), the second runs as a user's would."""
    lock = project.root / "dvc.lock"
    first = lock.read_bytes()
    assert set(outcomes(project.succeed("sh", "-c", "dvc repro --force")).values()) == {"ran"}
    assert lock.read_bytes() == first


def test_nothing_changed_runs_nothing(project: Project) -> None:
    assert set(project.repro().values()) == {"unchanged"}


@pytest.mark.parametrize("spelling", ["1e-3", "0.001", "1.0e-3", "1.0E-03"])
def test_one_number_however_it_is_written(toggled: Project, spelling: str) -> None:
    params = toggled.root / "params.yaml"
    before = params.read_text()
    toggled.set({"train.learning_rate": "SPELLING"})
    params.write_text(params.read_text().replace("SPELLING", spelling))
    try:
        shown = json.loads(toggled.succeed("dvc", "params", "diff", "--json"))
        assert shown["params.yaml"]["train.learning_rate"]["new"] == 0.001
        assert toggled.stage("check").returncode == 0
    finally:
        params.write_text(before)
