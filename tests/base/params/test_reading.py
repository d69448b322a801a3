"""Errors in params.yaml are reported all at once, each with a way to fix it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.serialize import load_yaml

from stages.base.errors.user import UserError
from stages.base.files.yaml import read_yaml
from stages.base.params.reading import load_params
from stages.check import Params
from tests.conftest import ROOT

DEFAULTS = (ROOT / "params.yaml").read_text()


def check(tmp_path: Path, changes: dict[str, Any], drop: str | None = None) -> Params:
    params = yaml.safe_load(DEFAULTS.replace("3e-3", "0.003").replace("1e-3", "0.001"))
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        (params[section] if section else params)[name] = value
    if drop is not None:
        section, _, name = drop.rpartition(".")
        del (params[section] if section else params)[name]
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params))
    return load_params(Params, path)


def test_the_defaults_are_valid() -> None:
    load_params(Params, ROOT / "params.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train.epoch": 3}, r"train\.epoch: unknown key; did you mean epochs\?"),
        ({"explain.n_backgroud": 3}, r"explain\.n_backgroud: unknown key; did you mean n_backgr"),
        ({"report.zzz": 3}, r"report\.zzz: unknown key; known: colormap"),
        ({"sede": 3}, r"sede: unknown key; did you mean seed\?"),
        (
            {"train.epochs": 0},
            r"train\.epochs: must be at least 1, or 0 with .* \(got 0\)",
        ),
        ({"train.epochs": -1}, r"train\.epochs: must be greater than or equal to 0 \(got -1\)"),
        ({"train.epochs": "3"}, r"train\.epochs: must be a whole number \(got '3'\)"),
        ({"train.epochs": 2.5}, r"train\.epochs: must be a whole number \(got 2.5\)"),
        ({"train.epochs": True}, r"train\.epochs: must be a whole number \(got True\)"),
        ({"train.learning_rate": -0.1}, r"train\.learning_rate: must be greater than 0 \(got -0.1"),
        ({"train.learning_rate": float("inf")}, r"train\.learning_rate: must be a finite number"),
        ({"train.weight_decay": -1}, r"train\.weight_decay: must be greater than or equal to 0"),
        ({"train.optimizer": "sdg"}, r"train\.optimizer: must be 'sgd', 'adam' or 'adamw' \(got '"),
        ({"preprocess.limit": 0}, r"preprocess\.limit: must be greater than or equal to 1 \(got 0"),
        ({"data.dataset": "mnits"}, r"unknown data set \(got 'mnits'\); known: .*mnist.*; did you"),
        ({"model.architecture": "x"}, r"unknown network \(got 'x'\); known: convnet, .*lenet"),
        ({"explain.method": "shap"}, r"unknown method \(got 'shap'\); known: .*shap_deep"),
        (
            {"quality.methods": ["random", "edge"]},
            r"quality\.methods\.1: unknown method \(got 'edge'\); known: edges, .*mean edges\?",
        ),
        ({"device": "gpu"}, r"device: must be auto, cpu, mps, cuda or cuda:<index> \(got 'gpu'\)"),
        (
            {"explain.images": "some"},
            r"explain\.images: must be first, .*a list of .*got 'some'",
        ),
        ({"explain.images": 3}, r"explain\.images: must be first, .*\(got 3\)"),
        ({"explain.images": []}, r"explain\.images: must be first, .*\(got \[\]\)"),
        ({"explain.images": "cats/1.jpg"}, r"explain\.images: must be .*of names such as \[cats/1"),
        (
            {"explain.images": ["cats/1.jpg", "mistake"]},
            r"explain\.images: 'mistake' is not a choice; did you mean mistakes\? Choose an image",
        ),
        ({"explain.images": [True]}, r"explain\.images: must be first, .*\(got \[True\]\)"),
        ({"explain.images": [-1]}, r"explain\.images: .*positions, 0 or more \(got \[-1\]\)"),
        (
            {"preprocess.validation_fraction": 0.0},
            r"validation_fraction: must be greater than 0 \(",
        ),
        ({"preprocess.test_fraction": 1.0}, r"test_fraction: must be less than 1 \(got 1\.0\)"),
        ({"train.batch_size": 0}, r"train\.batch_size: must be greater than or equal to 1 \(got 0"),
        ({"train.momentum": 1.0}, r"train\.momentum: must be less than 1 \(got 1\.0\)"),
        ({"explain.n_background": 0}, r"explain\.n_background: must be greater than or equal to 1"),
        ({"explain.n_images": 0}, r"explain\.n_images: must be greater than or equal to 1 \(got 0"),
        ({"explain.tolerance": 0.0}, r"explain\.tolerance: must be greater than 0 \(got 0\.0\)"),
        ({"explain.seed": 2**32}, r"explain\.seed: must be less than 4294967296 \(got 4294967296"),
        ({"seed": -1}, r"seed: must be greater than or equal to 0 \(got -1\)"),
        ({"explain.outputs": "some"}, r"outputs: must be all, predicted, .*\(got 'some'\)"),
        ({"explain.outputs": {"top": 0}}, r"explain\.outputs: must be all, .*\(got \{'top': 0\}\)"),
        ({"explain.outputs": {"top": True}}, r"explain\.outputs: must be all, predicted, \{top"),
        ({"explain.outputs": {"best": 1}}, r"explain\.outputs: must be all, predicted, \{top"),
        ({"explain.outputs": {"top": 1, "best": 1}}, r"explain\.outputs: must be all, predicted"),
        ({"explain.outputs": []}, r"explain\.outputs: must be all, predicted, .*\(got \[\]\)"),
        ({"explain.outputs": ["a", -1]}, r"explain\.outputs: must be all, .*\(got \['a', -1\]\)"),
        ({"explain.outputs": [True]}, r"explain\.outputs: must be all, predicted, \{top"),
        ({"preprocess.image_size": 7}, r"preprocess\.image_size: must be null, .*\(got 7\)"),
        ({"preprocess.image_size": [28]}, r"preprocess\.image_size: must be null, a side or \["),
        ({"preprocess.image_size": [28, 28, 28]}, r"preprocess\.image_size: must be null, a side"),
        (
            {"preprocess.image_size": [28, 7]},
            r"preprocess\.image_size: .* at least 8 \(got \[28, 7",
        ),
        ({"preprocess.image_size": [28.0, 28]}, r"preprocess\.image_size: must be null, a side"),
        ({"preprocess.image_size": True}, r"preprocess\.image_size: must be null, a side"),
        ({"data": 3}, r"data: must be a section of keys and values \(got 3\)"),
        ({"data.labels": "several"}, r"data\.labels: .*'single' or 'multiple'"),
        ({"data.mirrors": ["mirror"]}, r"data\.mirrors\.0: must be a URL"),
    ],
)
def test_an_error_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check(tmp_path, changes)


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("explain.outputs", "all", "all"),
        ("explain.outputs", "predicted", "predicted"),
        ("explain.outputs", {"top": 1}, {"top": 1}),
        ("explain.outputs", ["a"], ["a"]),
        ("explain.outputs", [0, "a"], [0, "a"]),
        ("explain.images", [0], [0]),
        ("explain.images", ["a/1.png", 3, "first"], ["a/1.png", 3, "first"]),
        ("preprocess.image_size", None, None),
        ("preprocess.image_size", 8, (8, 8)),
        ("preprocess.image_size", [8, 30], (8, 30)),
        ("model.standardize", "training", "training"),
        ("model.standardize", "none", "none"),
        ("model.standardize", {"mean": [0], "std": [0.5]}, {"mean": [0], "std": [0.5]}),
    ],
)
def test_values_that_can_take_several_forms(
    tmp_path: Path, key: str, value: Any, read: Any
) -> None:
    section, _, name = key.partition(".")
    assert getattr(getattr(check(tmp_path, {key: value}), section), name) == read


def test_the_invalid_value_is_quoted_once(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        check(tmp_path, {"model.architecture": "lenett"})
    assert str(caught.value).count("(got ") == 1


@pytest.mark.parametrize("missing", ["seed", "train.epochs", "explain"])
def test_a_missing_key_is_named(tmp_path: Path, missing: str) -> None:
    with pytest.raises(UserError, match=rf"\n  {missing}: missing; add it"):
        check(tmp_path, {}, drop=missing)


def test_all_errors_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        check(tmp_path, {"train.epochs": -1, "train.epoch": 3, "seed": -1}, drop="report.colormap")
    first, *lines = str(caught.value).splitlines()
    assert first.endswith("4 errors")
    assert [line.split(":")[0].strip() for line in lines] == [
        "seed",
        "train.epochs",
        "train.epoch",
        "report.colormap",
    ]


SCALARS = ["1e-3", "1E+2", "1.0e-3", ".5", "-.inf", "010", "1_000", "0x1F", "0o17"]
SCALARS += ["true", "True", "no", "on", "~", "null", "", "12:30:00", "2026-11-21", "e3"]


@pytest.mark.parametrize("scalar", SCALARS)
def test_scalars_are_read_as_dvc_reads_them(tmp_path: Path, scalar: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"key: {scalar}\n")
    ours, theirs = read_yaml(path)["key"], load_yaml(path)["key"]
    assert (type(ours), ours) == (type(theirs), theirs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [", r"yaml, line 2, column 5: not valid YAML: .*; fix that line$"),
        ("a: 1\n  b: 2\n", r"yaml, line 2, column 4: not valid YAML: mapping values are not"),
        ("a: \x00", r"(?s)not valid YAML: .*; save it as UTF-8 text"),
        ("- a\n", r"must hold keys and values \(got list\)"),
        ("a: 1\na: 2\n", r"found duplicate key"),
    ],
)
def test_a_file_that_is_not_a_mapping_is_rejected(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_yaml(path)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such file; git checkout -- .* restores the committed"):
        read_yaml(tmp_path / "params.yaml")
