"""Recipes are valid, and their errors are reported; `test_recipe_runs.py` runs them."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from hydra.core.override_parser.overrides_parser import OverridesParser

from stages.base.errors.user import UserError
from tests.conftest import ROOT
from tools import recipes

# Some parameters of each, most of them published systems.
PUBLISHED: dict[str, dict[str, Any]] = {
    "digits_lenet": {"model.architecture": "lenet", "train.momentum": 0.5, "explain.n_images": 5},
    "digits_sgd": {"train.epochs": 2, "train.schedule": "constant", "explain.n_images": 10},
    "digits_convnet": {"train.epochs": 3, "train.optimizer": "adam", "explain.images": "first"},
    "digits_best": {"model.architecture": "resnet", "explain.images": "mistakes"},
    "digits_fast": {"model.architecture": "resnet", "train.epochs": 3, "explain.n_images": 10},
    "fashion_lenet": {"data.dataset": "fashion_mnist", "model.architecture": "lenet"},
    "fashion_lab": {"model.architecture": "single_conv", "explain.images": "per_class"},
    "fashion_best": {"data.dataset": "fashion_mnist", "model.architecture": "resnet"},
    "digits_vit": {"model.architecture": "vit", "explain.images": "first"},
    "fashion_convnext": {"data.dataset": "fashion_mnist", "model.options.name": "convnext_atto"},
    "digits_keras": {"model.architecture": "keras", "model.weights": "convnet.keras"},
    "fashion_keras": {"data.dataset": "fashion_mnist", "model.architecture": "keras"},
    "planted_tag": {"data.dataset": "fashion_mnist", "train.epochs": 3},
    "photographs": {"data.dataset": "image_folder", "model.architecture": "photonet"},
}
OWN_DATA = {"photographs": ["data.source=data/embedded"]}  # any folder that is here


@pytest.fixture
def here(here: Path) -> Path:
    """A folder with the default parameters and no recipes."""
    (here / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (here / "recipes").mkdir()
    (here / "data/embedded").mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet"], check=True)
    return here


def test_every_published_system_has_a_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert recipes.known_recipes() == sorted(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_is_valid_and_has_only_parameters_that_differ(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert recipes.recipe_overrides(name, OWN_DATA.get(name, []))
    defaults = recipes.read_yaml(ROOT / "params.yaml")
    recipe = recipes.read_yaml(ROOT / f"recipes/{name}.yaml")
    whole = dict(recipes.leaves(recipes.merged(defaults, recipe)))
    assert whole.items() >= PUBLISHED[name].items()
    default = dict(recipes.leaves(defaults))
    changes = dict(recipes.leaves(recipe))
    assert {key for key in changes if default.get(key) == changes[key]} == set()


@pytest.mark.parametrize(
    "value",
    [
        3,
        0.05,
        1e-7,
        True,
        None,
        "a b: c=d",
        "null",
        "Ä 'x' \"y\"",
        "",
        [],
        ["shift", "flip"],
        [1, 2],
    ],
)
def test_every_value_survives_the_command_line(value: Any) -> None:
    """DVC reads `--set-param` with Hydra's parser."""
    parsed = OverridesParser.create().parse_override(recipes.override("a.b", value))
    assert parsed.key_or_group == "a.b"
    assert parsed.value() == value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], r"name a recipe: make recipe NAME=<name>; known: digits_sgd, fashion_lab$"),
        (
            ["digit_sgd"],
            r"unknown recipe \(got 'digit_sgd'\); known: .*; did you mean digits_sgd\?",
        ),
        (["../params"], r"unknown recipe \(got '\.\./params'\); known: digits_sgd, fashion_lab"),
    ],
)
def test_an_unknown_name(here: Path, arguments: list[str], message: str) -> None:
    for name in ("digits_sgd", "fashion_lab"):
        (here / f"recipes/{name}.yaml").write_text("seed: 1\n")
    with pytest.raises(UserError, match=message):
        recipes.main(arguments)


def test_all_errors_of_a_recipe_are_reported_at_once(here: Path) -> None:
    (here / "recipes/own.yaml").write_text(
        "train: {epoch: 3, optimizer: sdg}\n"
        "model: {architecture: resnet, options: {width: 3}}\n"
        "trian: {epochs: 3}\n"
    )
    with pytest.raises(UserError) as caught:
        recipes.main(["own"])
    first, *lines = str(caught.value).splitlines()
    assert first == "recipes/own.yaml: 4 errors"
    assert sorted(line.strip().split(";")[0] for line in lines) == [
        "model.options.width: unknown key",
        "train.epoch: unknown key",
        "train.optimizer: must be 'sgd', 'adam' or 'adamw' (got 'sdg')",
        "trian: unknown key",
    ]


def test_a_recipe_with_another_value(here: Path) -> None:
    (here / "recipes/own.yaml").write_text("data: {source: nowhere}\ntrain: {epochs: 3}\n")
    with pytest.raises(UserError, match=r"data\.source: must be a folder .*\(got 'nowhere'\)"):
        recipes.main(["own"])
    settings = ["data.source=data/embedded", "train.learning_rate=1e-4", "train.augment=[flip]"]
    options = recipes.recipe_overrides("own", settings)
    assert options[1::2] == [
        '++data.source="data/embedded"',
        "++train.epochs=3",
        "++train.learning_rate=0.0001",
        '++train.augment=["flip"]',
    ]
    assert recipes.inputs("own", settings) == ["data/embedded"]
    with pytest.raises(UserError, match=r"data\.sauce: unknown key"):
        recipes.recipe_overrides("own", [*settings, "data.sauce=3"])


@pytest.mark.parametrize("setting", ["data.source", "=3", "data..source=3", "train.augment=[flip"])
def test_a_setting_that_is_no_key_and_value(here: Path, setting: str) -> None:
    (here / "recipes/own.yaml").write_text("seed: 1\n")
    with pytest.raises(UserError, match=r"--set must be KEY=VALUE \(got "):
        recipes.main(["own", "--set", setting])


def test_all_leaves_out_recipes_without_their_data(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "recipes/own.yaml").write_text("data: {source: data/photographs}\n")
    (here / "recipes/other.yaml").write_text("seed: 1\n")
    assert recipes.ready_recipes() == ["other"]
    assert "own is left out, since data/photographs is not here" in capsys.readouterr().out
    (here / "recipes/wrong.yaml").write_text("model: 3\ndata: null\n")  # reported when it is run
    (here / "data/photographs.dvc").touch()  # DVC restores it
    assert recipes.ready_recipes() == ["other", "own", "wrong"]


@pytest.mark.parametrize(
    ("text", "message"), [("- 1\n", ": must hold keys"), ("a: [", ", line 1, column 5: not valid")]
)
def test_a_recipe_that_is_not_a_mapping(here: Path, text: str, message: str) -> None:
    (here / "recipes/own.yaml").write_text(text)
    with pytest.raises(UserError, match=rf"recipes/own\.yaml{message}"):
        recipes.main(["own"])


def test_options_of_a_recipe_replace_those_in_params(here: Path) -> None:
    """They belong to the recipe's network; DVC itself applies the change."""
    vision = {"image_size": 8, "patch_size": 2}
    other = {"name": "resnet18", "num": 3, "vision": vision}
    options = {"widths": [4, 6], "vision": {"patch_size": 4}}
    content = recipes.read_yaml(here / "params.yaml")
    content["model"] |= {"architecture": "torchvision", "options": other}
    (here / "params.yaml").write_text(yaml.safe_dump(content))
    recipe = {"model": {"architecture": "resnet", "options": options}}
    assert recipes.merged(content, recipe)["model"]["options"] == options
    changes = [
        *(f"~{key}" for key in recipes.removed_options(content, recipe)),
        *(recipes.override(key, value) for key, value in recipes.leaves(recipe)),
    ]
    apply_overrides(here / "params.yaml", changes)
    applied = recipes.read_yaml(here / "params.yaml")["model"]
    assert (applied["architecture"], applied["options"]) == ("resnet", options)


def test_untracked_files_are_refused(here: Path) -> None:
    (here / "recipes/own.yaml").write_text("data: {dataset: image_folder, source: my images}\n")
    (here / "my images/a class").mkdir(parents=True)
    (here / "my images/a class/0.png").touch()
    (here / "stages").mkdir()
    (here / "stages/Straße.py").touch()
    (here / "notes.txt").touch()
    with pytest.raises(UserError, match=r"untracked: my images/, stages/; .*: run git add on new"):
        recipes.main(["own"])
    subprocess.run(["git", "add", "my images"], check=True)
    with pytest.raises(UserError, match=r"untracked: stages/; "):
        recipes.main(["own"])
    subprocess.run(["git", "add", "stages"], check=True)
    (here / "engine/src/deepshap").mkdir(parents=True)
    (here / "engine/src/deepshap/own.py").touch()
    with pytest.raises(UserError, match=r"untracked: engine/src/; "):
        recipes.main(["own"])


def test_untracked_weights_are_refused(here: Path) -> None:
    (here / "weights").mkdir()
    for name in ("own", "other"):
        (here / f"weights/{name}.safetensors").touch()
    (here / "recipes/own.yaml").write_text("model: {weights: own.safetensors}\n")
    with pytest.raises(UserError, match=r"untracked: weights/own\.safetensors; .* dvc add on new"):
        recipes.main(["own"])


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('test "$2" = list', r"recipes: dvc exp run failed; see above"),
        ("true", r"recipes: own failed; see above, or dvc queue logs <name>"),
    ],
)
def test_a_recipe_that_fails_is_reported(
    here: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    """A `dvc` that fails, and one that succeeds without creating the experiment."""
    (here / "recipes/own.yaml").write_text("seed: 1\n")
    (here / "dvc").write_text(f"#!/bin/sh\n{script}\n")
    (here / "dvc").chmod(0o755)
    monkeypatch.setenv("PATH", str(here), prepend=":")
    with pytest.raises(UserError, match=message):
        recipes.main(["own"])


def test_no_dvc(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "recipes/own.yaml").write_text("seed: 1\n")
    (here / "git").symlink_to(shutil.which("git") or "")
    monkeypatch.setenv("PATH", str(here))
    with pytest.raises(UserError, match="dvc: not found; activate the environment"):
        recipes.main(["own"])
