"""`make compare` takes its noise of retraining from what `make retrain` counted."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.runs import digits_run
from tools.compare import comparison
from tools.compare.comparison import Comparison
from tools.compare.retrained import is_reseeded
from tools.compare.retraining import Retraining
from tools.compare.versions import Version

DIGEST = "0123456789abcdef0123456789abcdef.dir"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    content = {
        "retraining_similarity": 0.8,
        "retraining_similarity_se": 0.01,
        "n_trainings": 11,
        "explanation": DIGEST[:12],
    }
    (tmp_path / "retraining.json").write_text(json.dumps(content))
    return tmp_path / "retraining.json"


def test_the_number_belongs_to_one_explanation(file: Path) -> None:
    assert Retraining.read(file, DIGEST) == ("11 trainings", 0.8, 0.01)
    assert str(Retraining.read(file, DIGEST)) == "0.800 ± 0.010 (11 trainings)"
    assert Retraining.read(file, "another0123456789") is None
    assert Retraining.read(file, None) is None
    assert Retraining.read(file.with_name("none.json"), DIGEST) is None


def version(name: str, noise: float, retraining: Retraining | None = None) -> Version:
    """A version whose maps differ by this much of each map's deviation, as does its network."""
    explanation, draw = digits_run().explanation, np.random.default_rng(0)
    sizes = explanation.values.std(axis=(1, 2, 3), keepdims=True)
    values = explanation.values + noise * sizes * draw.normal(size=explanation.values.shape)
    changed = replace(
        explanation,
        values=values.astype(np.float32),
        outputs=explanation.outputs + (noise > 0),
        about={**explanation.about, "parameters": {"seed": 7, "train": {"noise": noise}}},
    )
    return Version(name, changed, None, pd.DataFrame(), {}, None, retraining)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    ("similarity", "judged"), [(0.7, "within the noise of retraining"), (0.95, "more than noise")]
)
def test_a_change_is_judged_by_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    which: int,
    similarity: float,
    judged: str,
) -> None:
    """Maps that correlate by about 1 / √(1 + 0.75²) = 0.8."""
    monkeypatch.setattr(comparison, "find_retrained", lambda *_: pytest.fail("not needed"))
    counted = Retraining("11 trainings", similarity, 0.01)
    old, new = (
        version(name, noise, counted if number == which else None)
        for number, (name, noise) in enumerate((("old", 0.0), ("new", 0.75)))
    )
    found = Comparison.of(old, new, tmp_path)
    assert found.pearson.mean() == pytest.approx(0.8, abs=0.02)
    assert f"retraining alone {similarity:.3f} ± 0.010 (11 trainings): {judged}" in found.sentence
    assert found.anchors["retraining alone"] == similarity


@pytest.mark.parametrize(
    ("new", "advice"),
    [
        ("workspace", "until you run make retrain N=10."),
        ("HEAD", "until you check out one of the two, run make retrain N=10, commit metrics/retra"),
    ],
)
def test_what_to_do_where_the_noise_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new: str, advice: str
) -> None:
    """`make retrain` counts for the workspace, so two other versions need one more step."""
    monkeypatch.setattr(comparison, "find_retrained", lambda *_: None)
    found = Comparison.of(version("HEAD~1", 0.0), version(new, 2.0), tmp_path)
    assert advice in found.sentence


def test_versions_that_differ_only_in_a_seed() -> None:
    def with_parameters(**parameters: object) -> Version:
        one = version("one", 0.0)
        about = {**one.explanation.about, "parameters": parameters}
        return replace(one, explanation=replace(one.explanation, about=about))

    base = with_parameters(seed=0, train={"epochs": 6})
    assert is_reseeded(base, with_parameters(seed=1, train={"epochs": 6}))
    assert is_reseeded(base, with_parameters(seed=0, train={"epochs": 6, "seed": 3}))
    assert not is_reseeded(base, base)
    assert not is_reseeded(base, with_parameters(seed=1, train={"epochs": 5}))
