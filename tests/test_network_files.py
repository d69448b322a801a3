"""Networks that are files, over the real pipeline: what reruns, what is stored, what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from stages.base.errors.user import UserError
from stages.base.params.reading import check_params
from stages.base.params.sections import StageParams
from stages.params.model import Model
from tests.architectures.network_files import WRITERS
from tests.conftest import Project, assert_refused

MODEL = {"options": {}, "skip_weights": [], "standardize": "none"}
AFTER_DATA = {"preflight", "train", "evaluate", "explain", "quality", "shortcuts", "report"}


@pytest.mark.parametrize(
    "kind",
    ["onnx", *(pytest.param(kind, marks=pytest.mark.slow) for kind in WRITERS if kind != "onnx")],
)
def test_the_network_in_a_file_runs_through_the_pipeline(kind: str, project: Project) -> None:
    file = project.root / f"weights/own.{kind}"
    WRITERS[kind](file)
    model = {"architecture": kind, "weights": file.name, **MODEL}
    project.set({"model": model, "train.epochs": 1})
    outcome = project.repro()
    assert {stage for stage, what in outcome.items() if what == "ran"} >= AFTER_DATA
    copy = project.root / f"data/model/network.{kind}"
    assert copy.read_bytes() == file.read_bytes()
    trained = load_file(project.root / "data/model/weights.safetensors")

    # Later stages read the copy, and the same seed trains the same weights.
    content = file.read_bytes()
    file.unlink()
    assert project.stage("evaluate").returncode == 0
    file.write_bytes(content)
    project.succeed("dvc", "repro", "--force", "--single-item", "train")
    again = load_file(project.root / "data/model/weights.safetensors")
    assert trained.keys() == again.keys()
    assert all(np.array_equal(trained[name], again[name]) for name in trained)

    # Another method reruns preflight and not training; other content of the file reruns both.
    project.set({"explain.method": "integrated_gradients"})
    assert project.repro("train") == {
        **dict.fromkeys(("download", "preprocess", "train"), "unchanged"),
        **dict.fromkeys(("check", "preflight"), "ran"),
    }
    file.write_bytes(b"not a network")
    assert_refused(project.stage("train"), rf"error: weights/own\.{kind}: not a.* damaged")
    assert copy.read_bytes() == content
    assert_refused(project.stage("preflight"), rf"error: weights/own\.{kind}: not a.* damaged")


class Params(StageParams):
    model: Model


def check(**model: Any) -> Model:
    given = {"model": {**MODEL, "weights": None, **model}}
    return check_params(given, Params, Path("params.yaml")).model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            {"architecture": "keras"},
            r"model\.weights: must be the name of a \.keras file in weights/, which is the "
            r"network: put it there \(got None\)",
        ),
        ({"architecture": "keras", "weights": "own.onnx"}, r"a \.keras file in weights/"),
        ({"architecture": "onnx", "weights": "own.keras"}, r"an? \.onnx file in weights/"),
        ({"architecture": "keras", "weights": "other.keras"}, r"a \.keras file in weights/"),
        ({"architecture": "keras", "weights": "../own.keras"}, r"a \.keras file in weights/"),
        ({"architecture": "lenet", "weights": "own.keras"}, r"a \.safetensors"),
        (
            {"architecture": "keras", "weights": "own.keras", "skip_weights": ["dense/*"]},
            r"model\.skip_weights: must be \[\] if a file is the network",
        ),
        (
            {"architecture": "keras", "weights": "own.keras", "options": {"file": "a"}},
            r"model\.options\.file: unknown key; known: none",
        ),
    ],
)
def test_parameters_that_name_no_such_file(model: Any, message: str, here: Path) -> None:
    (here / "weights").mkdir()
    for name in ("own.keras", "own.onnx"):
        (here / "weights" / name).touch()
    (here / "own.keras").touch()
    with pytest.raises(UserError, match=message):
        check(**model)


def test_the_file_of_the_parameters(here: Path) -> None:
    (here / "weights").mkdir()
    (here / "weights/own.keras").touch()
    (here / "weights/own.safetensors").touch()
    keras_file = check(architecture="keras", weights="own.keras").network_file
    assert keras_file == Path("weights/own.keras")
    assert check(architecture="lenet", weights="own.safetensors").network_file is None
    assert check(architecture="lenet").network_file is None


@pytest.mark.parametrize(("name", "extra"), [("keras", "keras"), ("onnx", "onnx")])
def test_a_missing_library_is_named_with_the_command_that_installs_it(
    name: str, extra: str, project: Project
) -> None:
    """A module that cannot be imported stands for a library that is not installed."""
    (project.root / f"weights/own.{name}").touch()
    project.set({"model": {"architecture": name, "weights": f"own.{name}", **MODEL}})
    blocked = project.root / "blocked"
    blocked.mkdir()
    text = f'raise ModuleNotFoundError("No module named {name!r}")\n'
    (blocked / f"{name}.py").write_text(text)
    result = project.run("python", "-m", "stages.preflight", PYTHONPATH=str(blocked))
    assert_refused(result, rf"architecture {name}: No module .* --editable '\.\[{extra}\]'")
