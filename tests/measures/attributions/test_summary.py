"""Totals and class means against their definitions."""

from dataclasses import replace

import numpy as np
import pytest

from stages.base.errors.user import UserError
from stages.drawing.grain import block_sums
from stages.figures.run import Run
from stages.measures.attributions.summary import summarise
from tests.measures.attributions.conftest import most_probable
from tests.runs import random_run


@pytest.mark.parametrize("shape", [(1, 1, 8, 8, 2), (7, 3, 9, 11, 4), (120, 1, 8, 8, 10)])
def test_the_limit_is_the_percentile_that_numpy_finds(shape: tuple[int, ...]) -> None:
    explanation = random_run(*shape).explanation
    maps = explanation.values.sum(axis=1, dtype=np.float64)
    assert summarise(explanation).limits[1] == pytest.approx(np.percentile(np.abs(maps), 99.9))


def test_sums_and_class_means_equal_their_definitions(digits: Run) -> None:
    explanation, summary = digits.explanation, digits.summary
    maps = explanation.values.astype(np.float64).sum(axis=1)  # (n, h, w, k)
    np.testing.assert_allclose(summary.sums, explanation.sums)
    np.testing.assert_allclose(summary.strengths, np.abs(maps).sum(axis=(1, 2)).mean(axis=0))
    for number in range(10):
        own = maps[explanation.labels == number][..., number]
        assert summary.counts[number] == len(own)
        np.testing.assert_allclose(summary.means[number], own.mean(axis=0))
        np.testing.assert_allclose(summary.mean_strengths[number], np.abs(own).mean(axis=0))


def test_attributions_of_zero_still_have_a_scale() -> None:
    run = random_run(3, 1, 8, 8, 2)
    nothing = np.zeros_like(run.explanation.values)
    assert summarise(replace(run.explanation, values=nothing)).limits[1] == 1.0
    nothing[1, 0, 2, 2, 0] = -0.25  # less than a thousandth of the values
    many = np.zeros((30, 1, 8, 8, 2), np.float32)
    many[:3] = nothing
    labels, classes = np.zeros(30, np.int64), np.tile([0, 1], (30, 1))
    wide = replace(run.explanation, values=many, labels=labels, classes=classes)
    assert summarise(wide).limits[1] == 0.25


def test_the_image_of_a_value_that_is_not_finite_is_named() -> None:
    run = random_run(5, 1, 8, 8, 2)
    values = run.explanation.values.copy()
    values[3, 0, 0, 0, 1] = np.nan
    broken = replace(run.explanation, values=values, names=np.arange(100, 105))
    with pytest.raises(UserError, match="image 103 are not all finite"):
        summarise(broken)


def test_totals_of_a_class_are_over_the_images_that_have_a_map_of_it(digits: Run) -> None:
    top = most_probable(digits, 3)
    explanation, summary = top.explanation, top.summary
    maps = digits.explanation.values.astype(np.float64).sum(axis=1)  # all classes (n, h, w, k)
    sums = np.take_along_axis(maps.sum(axis=(1, 2)), explanation.classes, axis=1)
    np.testing.assert_allclose(summary.sums, sums, rtol=1e-5)
    for number in range(10):
        has = (explanation.classes == number).any(axis=1)
        strengths = np.abs(maps[has][..., number]).sum(axis=(1, 2))
        assert summary.strengths[number] == pytest.approx(strengths.mean())
        own = maps[has & (explanation.labels == number)][..., number]
        assert summary.counts[number] == len(own)
        np.testing.assert_allclose(summary.means[number], own.mean(axis=0), atol=1e-9)
        np.testing.assert_allclose(summary.mean_strengths[number], np.abs(own).mean(axis=0))


def test_each_grain_has_a_limit_and_the_first_one_the_means(digits: Run) -> None:
    explanation = digits.explanation
    maps = explanation.values.sum(axis=1, dtype=np.float64).transpose(0, 3, 1, 2)
    summary = summarise(explanation, (4, 1))
    for grain in (4, 1):
        exact = np.percentile(np.abs(block_sums(maps, grain)), 99.9)
        assert summary.limits[grain] == pytest.approx(exact)
    fours = block_sums(maps[explanation.labels == 4][:, 4], 4)
    np.testing.assert_allclose(summary.means[4], fours.mean(axis=0))
    np.testing.assert_allclose(summary.mean_strengths[4], np.abs(fours).mean(axis=0))


def test_the_pictures_are_painted_in_the_run_s_grain(digits: Run) -> None:
    run = replace(digits, grain=4)
    map_indices = np.array([3])
    (painted,) = run.maps(5, map_indices)
    np.testing.assert_allclose(painted, block_sums(digits.explanation.maps(5, map_indices), 4)[0])
    assert run.scale.limit == summarise(run.explanation, (4,)).limits[4]
    assert run.scale.limit > digits.scale.limit
