"""Recipes: DVC gets exactly the values in the recipe, or the recipe is rejected."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import load_yaml
from hypothesis import example, given
from hypothesis import strategies as st

from stages.base.errors.user import UserError
from stages.base.files.yaml import read_yaml
from tests.conftest import ROOT
from tools import recipes

from .cases import damaged, refusal_or
from .test_params import LAUGHS, MERGES, MOST_BYTES, SCALARS

pytestmark = pytest.mark.fuzz

TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")
DEFAULTS = read_yaml(ROOT / "params.yaml")
PUBLISHED = [file.read_bytes() for file in sorted((ROOT / "recipes").glob("*.yaml"))]
KEYS = sorted(recipes.leaves(DEFAULTS))

SOUND: dict[str, list[Any]] = {
    "seed": [0, 2**32 - 1],
    "data.mirrors": [["file://a b,c=d"], ["https://x/{y}?[z]=$HOME"], ["http://é 😀'\"\\"]],
    "preprocess.image_size": [28, [32, 40], None],
    "preprocess.color": ["grey", None],
    "model.options": [{"widths": [4, 8], "blocks": 1}, {}],
    "model.standardize": ["none", {"mean": [0.5], "std": [1e-7]}],
    "train.learning_rate": [1e-300, 5e-324, 0.1, 3],
    "train.augment": [["shift", "flip"], []],
    "explain.images": [["a,b=c [d].png", "null", "", "1", 3, "ü\t\n", "${oc.env:HOME}"], "all"],
    "explain.outputs": [["7", 7, "a: b", "${x}"], {"top": 3}],
    "explain.tolerance": [1e-3, 0.1 + 0.2],
    "quality.methods": [[], ["edges"]],
    "report.fade": [True],
}


@st.composite
def sound(draw: st.DrawFn) -> str:
    """Valid recipes with values that are hard to pass on a command line."""
    recipe: dict[str, Any] = {"model": {"architecture": "resnet"}}
    for key in draw(st.lists(st.sampled_from(sorted(SOUND)), max_size=4, unique=True)):
        *sections, last = key.split(".")
        section = recipe
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = draw(st.sampled_from(SOUND[key]))
    names = draw(st.lists(st.text(), max_size=2))
    if names:
        recipe.setdefault("explain", {})["images"] = names
    return json.dumps(recipe) if draw(st.booleans()) else yaml.safe_dump(recipe)


@st.composite
def odd(draw: st.DrawFn) -> str:
    """Recipes with a few keys and arbitrary values."""
    lines = []
    for key, _ in draw(st.lists(st.sampled_from(KEYS), max_size=3)):
        lines.append(f"{key.replace('.', ': {')}: {draw(SCALARS)}{'}' * key.count('.')}")
    return "\n".join([*lines, *draw(st.lists(SCALARS, max_size=1))])


FILES = (
    sound().map(lambda text: text.encode("utf-8", "surrogatepass"))
    | odd().map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.sampled_from(PUBLISHED).flatmap(damaged)
    | st.binary()
)


@given(FILES)
@example(rb'explain: {images: ["C:\\a\\", "\e\t\"", "${a}", "\\${a}"]}')
@example(b'explain: {images: ["???"]}')
@example(b'explain: {images: ["\\0"]}')
@example(b"seed: &a 1\ntrain: {epochs: &a 2, batch_size: *a}")
@example(LAUGHS.encode())
@example(MERGES.encode())
def test_recipes_are_passed_to_dvc_exactly_or_rejected(here: Path, content: bytes) -> None:
    (here / "data/embedded").mkdir(parents=True, exist_ok=True)
    (here / "params.yaml").write_text(TEXT, encoding="utf-8")
    (here / "recipes").mkdir(exist_ok=True)
    (here / "recipes/own.yaml").write_bytes(content)
    most_bytes = MOST_BYTES * (2 * len(TEXT) + len(content))
    options = refusal_or(lambda: recipes.recipe_overrides("own"), most_bytes)
    if not isinstance(options, UserError):
        expected = recipes.merged(load_yaml("params.yaml"), load_yaml("recipes/own.yaml"))
        assert options[::2] == ["--set-param"] * (len(options) // 2)
        apply_overrides("params.yaml", options[1::2])
        assert load_yaml("params.yaml") == expected
        assert recipes.inputs("own")[0] == expected["data"]["source"]
