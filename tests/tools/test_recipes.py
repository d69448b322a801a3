"""Recipes are valid, their errors are reported, and the real DVC runs them in a copy."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from stages.artifacts.explanation import Explanation
from stages.base.errors.user import UserError
from tests.conftest import ROOT, Project, commit, run_stages
from tools import recipes

# Parameters of the published systems.
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
}


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
    assert recipes.recipe_overrides(name)
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


@pytest.mark.parametrize(
    ("text", "message"), [("- 1\n", ": must hold keys"), ("a: [", ", line 1, column 5: not valid")]
)
def test_a_recipe_that_is_not_a_mapping(here: Path, text: str, message: str) -> None:
    (here / "recipes/own.yaml").write_text(text)
    with pytest.raises(UserError, match=rf"recipes/own\.yaml{message}"):
        recipes.main(["own"])


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


def run(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return project.run("python", "-m", "tools.recipes", *arguments)


# The output that each explains, and the number of images if it is fixed.
EXPLAINED = {
    "digits_lenet": ("logits", 5),
    "digits_sgd": ("probabilities", 10),
    "digits_convnet": ("probabilities", 5),
    "digits_best": ("logits", 20),
    "digits_fast": ("logits", 10),
    "fashion_lenet": ("logits", 5),
    "fashion_lab": ("logits", 10),
    "fashion_best": ("logits", None),
    "digits_vit": ("logits", 10),
    "fashion_convnext": ("logits", 10),
}


QUICK = {"digits_lenet", "fashion_lab"}  # one of each data set; all of them would take long


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in PUBLISHED],
)
@pytest.mark.usefixtures("here")
def test_a_recipe_runs_to_its_report(name: str) -> None:
    few = {
        "data": {"source": str(ROOT / "data/embedded")},
        "preprocess": {"limit": 2000},
        "train": {"epochs": 2},
        "explain": {"n_background": 5},
    }
    run_stages(recipes.merged(recipes.read_yaml(ROOT / f"recipes/{name}.yaml"), few))
    explanation = Explanation.load(Path("data/shap"))
    output, n_images = EXPLAINED[name]
    assert explanation.about["output"] == output
    if n_images is not None:
        assert len(explanation.labels) == n_images
    wrong = explanation.predicted != explanation.labels
    if name == "digits_best":
        assert wrong.all()
    if name == "fashion_lab":
        assert not wrong.any()
        assert explanation.labels.tolist() == list(range(10))
    if name == "fashion_best":
        assert wrong.sum() == 10
        assert explanation.labels[~wrong].tolist() == list(range(10))


def experiments(project: Project) -> dict[str, str]:
    """Commit of each experiment, by name."""
    line = "--format=%(refname:lstrip=4) %(objectname)"
    listed = project.succeed("git", "for-each-ref", line, "refs/exps/??/*/*")
    return dict(entry.split() for entry in listed.splitlines())


@pytest.mark.longest
def test_recipes_run_beside_the_workspace(project: Project) -> None:
    options = {"architecture": "resnet", "options": {"widths": [4, 6], "blocks": 2}}
    other = {"model": options, "train": {"epochs": 1}}
    for file in (project.root / "recipes").glob("*.yaml"):
        file.unlink()
    (project.root / "recipes/own.yaml").write_text(yaml.safe_dump({"explain": {"n_images": 2}}))
    (project.root / "recipes/other.yaml").write_text(yaml.safe_dump(other))
    commit(project, "Two recipes")
    workspace = {
        name: (project.root / name).read_bytes()
        for name in (
            "params.yaml",
            "dvc.lock",
            "metrics/evaluate.json",
            "data/raw/t10k-labels-idx1-ubyte",
        )
    }
    done = run(project, "--all")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {n: (project.root / n).read_bytes() for n in workspace} == workspace
    assert project.succeed("git", "status", "--porcelain") == ""
    assert set(experiments(project)) == {"own", "other"}

    # A second run replaces the experiment by the same one, from the run cache.
    again = run(project, "own")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Stage 'explain' is cached - skipping run" in again.stdout
    assert {n: (project.root / n).read_bytes() for n in workspace} == workspace

    # If a recipe fails, the previous experiment stays.
    before = experiments(project)
    wrong = {"explain": {"n_background": 100_000}}
    (project.root / "recipes/own.yaml").write_text(yaml.safe_dump(wrong))
    failed = run(project, "own")
    assert failed.returncode == 1
    assert "n_background: must be at most 540" in failed.stderr
    assert experiments(project) == before
    project.succeed("git", "checkout", "--", "recipes")

    project.succeed("dvc", "exp", "apply", "other")
    applied = yaml.safe_load((project.root / "params.yaml").read_text())
    assert options.items() <= applied["model"].items()
    changes = json.loads(project.succeed("dvc", "metrics", "diff", "--json"))
    assert "accuracy" in changes["metrics/evaluate.json"]
    project.succeed("dvc", "plots", "diff", "HEAD")
    shown = json.loads(project.succeed("dvc", "exp", "show", "--json"))
    assert {"own", "other"} <= {e["name"] for entry in shown for e in entry["experiments"] or []}


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
