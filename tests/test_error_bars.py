"""Error bars over the background, compared with shap.DeepExplainer on single background images."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import shap
import torch
from numpy.typing import NDArray
from scipy.stats import chi2
from torch import Tensor, nn

from stages.artifacts.explanation import Explanation
from stages.attribution.error_bars import with_errors
from stages.explainers.base.contract import Attributions, build_explainer
from stages.networks.checkpoint import load_checkpoint
from stages.sampling.background import group_sizes, standard_error
from tests.conftest import Project
from tests.runs import digits_run, with_maps

N_TRAIN = 200


def by_background_image(network: nn.Module, images: Tensor, background: Tensor) -> NDArray[Any]:
    """shap's values relative to each background image, channels summed (b, n, h, w, k)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="unrecognized nn.Module: Standardize")
        return np.stack(
            [
                shap.DeepExplainer(network, alone).shap_values(images, check_additivity=False)
                for alone in background.split(1)
            ]
        ).sum(axis=2)


def small_network() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)]
    return nn.Sequential(*layers).eval().double()


def small_images(n_images: int, seed: int) -> Tensor:
    return torch.rand(n_images, 2, 8, 8, generator=torch.manual_seed(seed)).double()


def all_classes(n_images: int) -> Tensor:
    return torch.arange(3).repeat(n_images, 1)


def test_errors_of_a_real_run_equal_those_from_shap(ran_project: Project) -> None:
    """Ten background images form ten groups of one: the error is std/√10 of shap's values."""
    stored = Explanation.load(ran_project.root / "data/shap")
    network = load_checkpoint(torch.device("cpu"), ran_project.root / "data/model").network.double()
    images, background = (
        torch.from_numpy(pixels).double() for pixels in (stored.images, stored.background)
    )
    assert len(background) == stored.about["n_groups"] == 10
    assert stored.about["n_train"] == 540
    alone = by_background_image(network, images, background)
    atol = 1e-5 * np.abs(alone).max()
    expected = alone.std(axis=0, ddof=1) / np.sqrt(10) * np.sqrt(1 - 10 / 540)
    np.testing.assert_allclose(stored.errors, expected, rtol=0, atol=atol)
    predicted_class = alone[:, np.arange(3), ..., stored.predicted]  # (n, b, h, w)
    np.testing.assert_allclose(stored.group_means, predicted_class, rtol=0, atol=atol)


def test_groups_equal_the_means_of_shap_over_their_images() -> None:
    network, images, background = small_network(), small_images(2, 1), small_images(23, 2)
    attribute = build_explainer("deep", network, background, 0)
    values, groups = attribute(images, all_classes(2))
    assert groups is not None
    alone = by_background_image(network, images, background)
    ends = np.cumsum(group_sizes(23))
    expected = [group.mean(axis=0) for group in np.split(alone, ends[:-1])]
    atol = 1e-10 * np.abs(alone).max()
    np.testing.assert_allclose(groups, np.stack(expected, axis=1), rtol=0, atol=atol)
    mean = np.average(groups, axis=1, weights=group_sizes(23))
    np.testing.assert_allclose(mean, values.sum(axis=1), rtol=0, atol=atol)


@pytest.fixture(scope="module")
def alone() -> NDArray[Any]:
    """shap's values of two images relative to each of sixty background images."""
    return by_background_image(small_network(), small_images(2, 1), small_images(60, 2))


def errors_of(alone: NDArray[Any]) -> NDArray[Any]:
    """The standard error from ten groups of six, in the given order."""
    groups = alone.reshape(10, 6, *alone.shape[1:]).mean(axis=1)
    return standard_error(np.moveaxis(groups, 0, 1), 60, N_TRAIN)


def test_the_error_from_groups_estimates_the_exact_one_within_its_uncertainty(
    alone: NDArray[Any],
) -> None:
    """The ratio of the squared error to the exact one follows chi-square/9, 9 degrees of freedom.

    Its mean over random orders of the background is 1 at every pixel. The pixels of one order share
    their groups, so they count as one draw.
    """
    exact = alone.var(axis=0, ddof=1) / 60 * (1 - 60 / N_TRAIN)
    rng = np.random.default_rng(0)
    orders = [rng.permutation(60) for _ in range(300)]
    ratios = np.stack([errors_of(alone[order]) ** 2 / exact for order in orders])
    distance = np.abs(ratios.mean(axis=0) - 1)
    assert (distance < 5 * ratios.std(axis=0) / np.sqrt(len(orders))).all()
    low, high = chi2.ppf([0.05, 0.95], 9) / 9
    inside = ((ratios > low) & (ratios < high)).mean()
    assert inside == pytest.approx(0.9, abs=0.03)


def test_group_means_belong_to_the_predicted_class_if_it_has_a_map() -> None:
    run = digits_run()
    explanation = run.explanation
    classes = np.tile([7, 2], (len(explanation.labels), 1))
    two_maps = with_maps(run, classes).explanation
    groups = np.random.default_rng(0).normal(size=(len(classes), 10, 8, 8, 2))

    def slices() -> Iterator[Attributions]:
        for rows in np.array_split(np.arange(len(classes)), 7):
            yield Attributions(two_maps.values[rows], groups[rows])

    means = np.concatenate([found.group_means for found in with_errors(slices(), two_maps)])
    for map_index, number in enumerate((7, 2)):
        own = explanation.predicted == number
        assert own.any()
        np.testing.assert_array_equal(means[own], groups[own][..., map_index])
    others = ~np.isin(explanation.predicted, (7, 2))
    assert np.isnan(means[others]).all()


def test_one_background_image_gives_no_error_bars() -> None:
    attribute = build_explainer("deep", small_network(), small_images(1, 2), 0)
    assert attribute(small_images(2, 1), all_classes(2)).groups is None


def test_images_may_have_different_classes() -> None:
    network, images, background = small_network(), small_images(2, 1), small_images(12, 2)
    for method in ("deep", "shap_deep"):
        attribute = build_explainer(method, network, background, 0)
        every = attribute(images, all_classes(2)).values
        found = attribute(images, torch.tensor([[2, 0], [1, 2]])).values
        np.testing.assert_allclose(found[0], every[0][..., [2, 0]], rtol=0, atol=1e-12)
        np.testing.assert_allclose(found[1], every[1][..., [1, 2]], rtol=0, atol=1e-12)
