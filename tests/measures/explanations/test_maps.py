"""The maps that are measured: stored maps, maps by other methods, and their computing time."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import shap
import torch
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation
from stages.measures.explanations.base import maps
from stages.measures.explanations.base.subject import Subject
from tests.measures.subjects import small_images, small_network, subject

N, K = 6, 4


@pytest.fixture(scope="module")
def measured() -> Subject:
    return subject(small_network(2, K), small_images(N), small_images(5))


def shap_maps(measured: Subject) -> NDArray[Any]:
    """The attributions to all classes, channels summed (n, h, w, k)."""
    explainer = shap.DeepExplainer(measured.network, measured.background)
    values: NDArray[Any] = explainer.shap_values(measured.images, check_additivity=False)
    return values.sum(axis=1)


def each(values: NDArray[Any], classes: NDArray[np.int64]) -> NDArray[Any]:
    """The maps of each image's class (n, h, w)."""
    return np.stack([image[..., c] for image, c in zip(values, classes, strict=True)])


def test_another_method_explains_the_predicted_class_and_the_runner_up(measured: Subject) -> None:
    game = measured.subset(4, 3)
    found = maps.maps_of_method("deep", measured, game)
    values = shap_maps(measured)
    predicted, runner_up = each(values, measured.predicted), each(values, measured.runner_up)
    atol = 1e-10 * np.abs(values).max()
    np.testing.assert_allclose(found.predicted, predicted, atol=atol)
    np.testing.assert_allclose(found.contrast, predicted - runner_up, atol=atol)
    np.testing.assert_allclose(found.game, each(shap_maps(game), game.predicted), atol=atol)
    assert found.errors is None


def test_sums_over_the_channels_are_in_float64(measured: Subject) -> None:
    single = replace(
        measured,
        network=small_network(2, K).float(),
        explained=small_network(2, K).float(),
        images=measured.images.float(),
        background=measured.background.float(),
    )
    found = maps.maps_of_method("deep", single, single.subset(4, 3))
    assert {found.predicted.dtype, found.contrast.dtype, found.game.dtype} == {np.dtype(float)}


def stored(classes: NDArray[np.int64], rng: np.random.Generator) -> Explanation:
    """Random maps of these classes (n, m)."""
    n_maps = classes.shape[1]
    return Explanation(
        base_values=np.zeros(K),
        outputs=np.zeros((N, K)),
        probabilities=np.zeros((N, K), np.float32),
        classes=classes,
        images=np.zeros((N, 2, 12, 14), np.uint8),
        labels=np.zeros(N, np.int64),
        names=np.arange(N),
        indices=np.arange(N),
        background=np.zeros((5, 2, 12, 14), np.uint8),
        background_indices=np.arange(5),
        about={"method": "deep"},
        values=rng.normal(size=(N, 2, 12, 14, n_maps)).astype(np.float32),
        errors=rng.random((N, 12, 14, n_maps), np.float32),
    )


def test_the_run_s_maps_are_the_stored_ones_and_nan_where_missing(
    measured: Subject,
) -> None:
    """The first image lacks the map of its runner-up, the second both maps."""
    classes = np.stack([measured.predicted, measured.runner_up], axis=1)
    others = [sorted(set(range(K)) - set(explained)) for explained in classes.tolist()]
    classes[0, 1] = others[0][0]
    classes[1] = others[1]
    classes[3] = classes[3, ::-1].copy()
    explanation = stored(classes, np.random.default_rng(0))
    found = maps.maps_of_run(explanation, measured, measured.subset(4, 3))
    sums = explanation.values.astype(np.float64).sum(axis=1)
    assert explanation.errors is not None
    assert found.errors is not None
    for i in range(N):
        own = {c: sums[i, ..., map_index] for map_index, c in enumerate(classes[i].tolist())}
        missing = np.full((12, 14), np.nan)
        predicted = own.get(int(measured.predicted[i]), missing)
        runner_up = own.get(int(measured.runner_up[i]), missing)
        np.testing.assert_allclose(found.predicted[i], predicted, rtol=1e-12)
        np.testing.assert_allclose(found.contrast[i], predicted - runner_up, rtol=1e-12)
    assert np.isnan(found.errors[1]).all()
    np.testing.assert_array_equal(found.errors[2], explanation.errors[2, ..., 0])
    np.testing.assert_array_equal(found.errors[3], explanation.errors[3, ..., 1])
    game = measured.subset(4, 3)
    values = each(shap_maps(game), game.predicted)
    np.testing.assert_allclose(found.game, values, atol=1e-10 * np.abs(values).max())
    assert maps.maps_of_run(replace(explanation, errors=None), measured, game).errors is None


@pytest.mark.parametrize(("n_images", "measured_images"), [(3, 3), (12, 8)])
def test_the_time_an_image_leaves_out_the_first_call(
    monkeypatch: pytest.MonkeyPatch, n_images: int, measured_images: int
) -> None:
    """The clock advances only while the method explains: ten seconds per image."""
    now = [0.0]
    seen = []

    def build(name: str, network: Any, background: torch.Tensor, seed: int) -> Any:
        def attribute(images: torch.Tensor, classes: torch.Tensor) -> None:
            assert classes.shape == (len(images), 2)
            seen.append((name, len(images), len(background), seed))
            now[0] += 10 * len(images)

        return attribute

    monkeypatch.setattr(maps, "build_explainer", build)
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    measured = subject(small_network(2, K), small_images(n_images), small_images(5))
    assert maps.seconds_an_image("own", measured) == 10
    assert seen == [("own", 1, 5, 0), ("own", measured_images, 5, 0)]
