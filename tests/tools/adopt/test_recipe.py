"""The recipe: what happens to the head, and files that are complete or absent."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.base.errors.user import UserError
from tests.conftest import ROOT
from tools.adopt.head import Head, choose_head
from tools.adopt.pretrained import Input, Pretrained
from tools.adopt.recipe import recipe_text, written

DIGITS = tuple("0123456789")


def network(names: Any, n_classes: int) -> Pretrained:
    return Pretrained("own", ["origin"], "convnet", {}, {}, Input([], [], (8, 8)), n_classes, names)


@pytest.mark.parametrize(
    ("names", "data", "note"),
    [
        (["cat", "dog"], ["cat", "dog"], r"kept; its classes have the data set's names and order$"),
        (
            ["dog", "cat"],
            ["cat", "dog"],
            r"kept; WARNING: 2 of 2 names differ; the order differs, so predictions would be "
            r"wrong: output 0 is 'dog', class 0 of the data set is 'cat'; output 1 ",
        ),
        (
            ["cat", "Dog"],
            ["cat", "dog"],
            r"kept; WARNING: 1 of 2 names differ; check that they m",
        ),
        (None, ["cat", "dog"], r"kept; its classes have no names; check that .* order, cat, dog$"),
        (None, DIGITS, r".* order, 0, 1, 2, 3, 4 and 5 more$"),
    ],
)
def test_names_of_classes_are_compared(names: Any, data: Any, note: str) -> None:
    head = choose_head(network(names, len(data)), data, can_reorder=False)
    assert not head.replaced
    assert re.match(note, head.note)


def test_one_logit_keeps_its_head() -> None:
    head = choose_head(network(None, 1), ["cat", "dog"], can_reorder=False)
    assert head == Head("kept; its one logit is that of the second class, dog: check it")


@pytest.mark.parametrize(("data", "n"), [(["dog", "ant"], 2), (["ant", "cat", "dog"], 3)])
def test_folders_take_over_the_order_of_a_networks_classes(data: list[str], n: int) -> None:
    names = ["dog", "cat", "ant"]
    head = choose_head(network(names, 3), data, can_reorder=True)
    assert head.class_order == names
    assert head.note.startswith(f"kept; the data set has {n} of its 3 classes, and takes over")
    assert not choose_head(network(names, 3), [*data, "bee"], can_reorder=True).class_order
    twice = ["dog", "cat", "ant", "dog"]  # as torchvision's names of ImageNet's classes
    assert choose_head(network(twice, 4), data, can_reorder=True).replaced
    assert not choose_head(network(names, 3), names, can_reorder=True).class_order


def recipe_folder(here: Path) -> None:
    (here / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    for name in ("data/embedded", "recipes", "weights"):
        (here / name).mkdir(parents=True)


def test_an_invalid_recipe_leaves_nothing(here: Path) -> None:
    recipe_folder(here)
    text = recipe_text({"train": {"epochs": -1}}, ["a comment"])
    with (
        pytest.raises(UserError, match=r"recipes/own\.yaml: 1 error\n"),
        written("own", text, b"w"),
    ):
        pass
    assert not [*(here / "recipes").iterdir(), *(here / "weights").iterdir()]


def test_other_files_of_that_name_are_kept(here: Path) -> None:
    recipe_folder(here)
    text = recipe_text({"train": {"epochs": 3}}, [])
    with written("own", text, b"weights"):
        pass
    with written("own", text, b"weights"):  # the same again
        pass
    for content in [(text, b"other"), ("# other\n" + text, b"weights")]:
        message = r"own\.\w+: exists with other content; remove it, or choose another NAME"
        with pytest.raises(UserError, match=message), written("own", *content):
            pass
    assert (here / "recipes/own.yaml").read_text() == text
    assert (here / "weights/own.safetensors").read_bytes() == b"weights"


def test_a_command_that_fails_leaves_nothing(here: Path) -> None:
    recipe_folder(here)
    text = recipe_text({"train": {"epochs": 3}}, [])

    def add_and_fail(weights: Path) -> None:
        Path(f"{weights}.dvc").touch()
        raise UserError("git add failed")

    with pytest.raises(UserError, match="failed"), written("own", text, b"weights") as files:
        add_and_fail(files.weights)
    assert not [*(here / "recipes").iterdir(), *(here / "weights").iterdir()]


def test_the_text_of_a_recipe_is_read_back() -> None:
    recipe = {
        "data": {"options": {"classes": ["null", "7", "Ä, b", "true"]}},
        "model": {"options": {"eps": 1e-12, "name": None, "on": True, "depths": [1, 2]}},
    }
    text = recipe_text(recipe, ["from: somewhere"])
    assert text.startswith("# from: somewhere\ndata")
    assert YAML(typ="safe", pure=True).load(text) == recipe
