"""The images and classes that are compared; no pipeline runs."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages.artifacts.predictions import Predictions
from stages.base.errors.user import UserError
from tests.runs import digits_run, random_run, with_about, with_images, with_names
from tools.compare.metrics import compare_metrics
from tools.compare.pairs import Pairs
from tools.compare.versions import Version

DIGITS = digits_run()


def version(run: Any = DIGITS, name: str = "old", **changes: Any) -> Version:
    explanation = replace(run.explanation, **changes)
    return Version(name, explanation, run.predictions, pd.DataFrame(), {"accuracy": 0.5})


def test_a_measure_that_applies_to_neither_version_is_left_out() -> None:
    indices = pd.Index(DIGITS.explanation.indices)
    measures = pd.DataFrame({"contrast_shift": np.nan, "removal_gain": 0.5}, index=indices)
    old, new = (replace(version(name=name), measures=measures) for name in ("old", "new"))
    names = [metric.name for metric in compare_metrics(Pairs.of(old, new))]
    assert "removal_gain" in names
    assert "contrast_shift" not in names


def test_images_are_matched_by_their_pixels() -> None:
    old = version(with_images(DIGITS, np.arange(40)))
    order = np.random.default_rng(0).permutation(np.arange(20, 60))
    new = version(with_images(DIGITS, order))
    pairs = Pairs.of(old, new)
    matched = [old.explanation.images[pairs.old_images], new.explanation.images[pairs.new_images]]
    np.testing.assert_array_equal(*matched)
    assert list(pairs.old_images) == list(range(20, 40))
    np.testing.assert_array_equal(pairs.old_maps, pairs.new_maps)
    assert pairs.equal


def test_a_repeated_image_is_paired_once() -> None:
    twice = with_images(DIGITS, np.array([3, 3, 4]))
    pairs = Pairs.of(version(twice), version(with_images(DIGITS, np.array([4, 3]))))
    assert list(zip(pairs.old_images, pairs.new_images, strict=True)) == [(0, 1), (2, 0)]


def test_both_maps_are_of_the_class_that_the_old_version_predicts() -> None:
    probabilities = np.roll(DIGITS.explanation.probabilities, 1, axis=1)
    new = version(probabilities=probabilities)  # every prediction is the next class
    pairs = Pairs.of(version(), new)
    assert not pairs.same_prediction.any()
    assert pairs.similarity.pearson == pytest.approx(1), "the same question has the same answer"
    assert not pairs.equal


def test_an_image_without_that_map_is_left_out() -> None:
    run = DIGITS.explanation
    predicted = run.predicted[:, None]
    values = np.take_along_axis(run.values, predicted[:, None, None, None], axis=4)
    others = predicted.copy()
    others[:5] = (others[:5] + 1) % 10
    pairs = Pairs.of(version(), version(values=values, classes=others, errors=None))
    assert pairs.without_map == 5
    assert len(pairs.classes) == len(predicted) - 5
    np.testing.assert_array_equal(pairs.old_maps, pairs.new_maps)
    with pytest.raises(UserError, match=r"no image has a map of the same class.*explain\.outputs"):
        Pairs.of(version(), version(values=values, classes=(predicted + 1) % 10))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (with_names(DIGITS, list("abcdefghij")), r"old and new cannot be compared: classes"),
        (with_about(DIGITS, output="probabilities"), r"explain\.output: logits and probabilities"),
        (random_run(3, 1, 8, 9, 10), "cannot be compared"),
        (random_run(3, 1, 8, 8, 10, class_names=list("0123456789"), output="logits"), "no image"),
    ],
)
def test_what_cannot_be_compared_is_refused(other: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Pairs.of(version(), version(other, "new"))


def test_metrics_are_paired_by_image() -> None:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 3, 200)
    first, second = (
        Predictions(draw.dirichlet([1, 1, 1], 200), labels, np.arange(200), ("a", "b", "c"), {})
        for _ in range(2)
    )
    pairs = Pairs.of(
        replace(version(), predictions=first, metrics={"accuracy": 0.5, "macro_f1": 0.25}),
        replace(version(), predictions=second, metrics={"accuracy": 0.5, "macro_f1": 0.5}),
    )
    found = {metric.name: metric for metric in compare_metrics(pairs)}
    right = [pd.Series(p.predicted == labels, dtype=float) for p in (first, second)]
    assert found["accuracy"].old == pytest.approx(right[0].mean())
    assert found["accuracy"].error == pytest.approx((right[1] - right[0]).sem())
    true_class_probabilities = [p.probabilities[np.arange(200), labels] for p in (first, second)]
    losses = pd.Series(np.log(true_class_probabilities[0]) - np.log(true_class_probabilities[1]))
    assert found["log_loss"].new - found["log_loss"].old == pytest.approx(losses.mean())
    assert found["log_loss"].error == pytest.approx(losses.sem())
    assert (found["macro_f1"].old, found["macro_f1"].new) == (0.25, 0.5)
    assert np.isnan(found["macro_f1"].error)


def test_measures_of_each_image_are_paired_by_image() -> None:
    indices = DIGITS.explanation.indices
    draw = np.random.default_rng(0)
    before, after = (
        pd.DataFrame({"removal_gain": draw.normal(size=len(indices))}, index=indices)
        for _ in range(2)
    )
    after.iloc[0] = np.nan
    pairs = Pairs.of(
        replace(version(), predictions=None, measures=before, metrics={"removal_gain_se": 1.0}),
        replace(version(), predictions=None, measures=after.iloc[::-1]),
    )
    named = {metric.name: metric for metric in compare_metrics(pairs)}
    assert named.keys() == {"removal_gain", "accuracy"}, "without one version's own standard error"
    found = named["removal_gain"]
    differences = (after - before)["removal_gain"].iloc[1:]
    assert found.n_images == len(indices) - 1
    assert found.new - found.old == pytest.approx(differences.mean())
    assert found.error == pytest.approx(differences.sem())
