"""The known answers are right: against brute force, and on methods whose result is clear."""

import itertools

import numpy as np
import pytest
import torch

from stages.measures.explanations.base.baselines import BASELINES
from tools.league.entrants import maps_of
from tools.league.known_answers import (
    CLASS,
    FIRST,
    FOUND,
    REGION,
    SECOND,
    KnownAnswer,
    additive,
    known_answers,
    planted_region,
    shapley_error,
    two_regions,
)


def outputs(case: KnownAnswer, images: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return case.network(images)[:, CLASS].double().numpy()


def test_the_first_network_reads_every_pixel_of_its_region_and_none_outside() -> None:
    case = planted_region()
    images = case.images.clone().requires_grad_()
    case.network(images)[:, CLASS].sum().backward()
    assert images.grad is not None
    read = (images.grad.abs() > 0).any(dim=0)[0].numpy()
    region = np.zeros_like(read)
    region[REGION] = True
    np.testing.assert_array_equal(read, region)
    outside = torch.where(torch.from_numpy(region), case.images, 255 - case.images)
    np.testing.assert_array_equal(outputs(case, case.images), outputs(case, outside))


def test_the_second_truth_is_what_each_pixel_changes_alone() -> None:
    """Whatever the other pixels show, since the network adds them up."""
    case = additive()
    draw = np.random.default_rng(0)
    for image in range(2):
        for row, column in draw.integers(0, 24, size=(10, 2)):
            changes = []
            for reference in case.background:
                for others in (case.images[5], reference):
                    shown, hidden = others.clone(), others.clone()
                    shown[0, row, column] = case.images[image, 0, row, column]
                    hidden[0, row, column] = reference[0, row, column]
                    pair = outputs(case, torch.stack([shown, hidden]))
                    changes.append(pair[0] - pair[1])
            expected = case.truth[image, row, column]
            assert np.mean(changes) == pytest.approx(expected, abs=1e-6)


def test_the_third_truth_is_the_mean_over_all_orders_of_the_regions() -> None:
    case = two_regions()
    regions = np.zeros((2, 24, 24), bool)
    for region, part in zip(regions, (FIRST, SECOND), strict=True):
        region[part] = True
    for image, truth in zip(case.images, case.truth, strict=True):
        credits = np.zeros(2)
        for order in itertools.permutations(range(2)):
            shown = np.zeros((24, 24), bool)
            before = outputs(case, case.background).mean()
            for player in order:
                shown = shown | regions[player]
                mixed = torch.where(torch.from_numpy(shown), image, case.background)
                after = outputs(case, mixed).mean()
                credits[player] += (after - before) / 2
                before = after
        sums = [truth[region].sum() for region in regions]
        np.testing.assert_allclose(sums, credits, atol=1e-6)
        assert np.abs(truth[~regions.any(axis=0)]).max() == 0


def test_the_regions_interact() -> None:
    """Else the third network would be another additive one."""
    case = two_regions()
    values = []
    for shown in itertools.product([False, True], repeat=2):
        keep = torch.zeros(24, 24, dtype=torch.bool)
        for part, is_shown in zip((FIRST, SECOND), shown, strict=True):
            keep[part] = is_shown
        mixed = [torch.where(keep, image, case.background) for image in case.images]
        values.append([outputs(case, images).mean() for images in mixed])
    nobody, second, first, both = np.array(values)
    interactions = np.abs(both - first - second + nobody)
    changes = np.abs([both - nobody, first - nobody, second - nobody]).max(axis=0)
    assert interactions.mean() > 0.1 * changes.mean()


@pytest.mark.parametrize("case", known_answers(), ids=lambda case: case.name)
def test_the_truth_is_found_and_noise_is_not(case: KnownAnswer) -> None:
    np.testing.assert_allclose(case.error(case.truth, True), 0, atol=1e-9)
    np.testing.assert_allclose(case.error(7 * case.truth, False), 0, atol=1e-6)
    np.testing.assert_allclose(case.error(0 * case.truth, True), 1)
    for name in BASELINES:
        maps = maps_of(name, case.subject)
        assert case.error(maps, False).mean() > 5 * FOUND


@pytest.mark.parametrize("name", ["deep", "shap_deep", "integrated_gradients"])
def test_methods_that_are_exact_there_find_the_first_two(name: str) -> None:
    """DeepSHAP is exact for sums of functions of a pixel; a path integral is, but for its steps."""
    for case in (planted_region(), additive()):
        maps = maps_of(name, case.subject)
        bound = 0.05 if name == "integrated_gradients" else 1e-4
        assert case.error(maps, True).max() < bound


def test_errors_are_distances_in_lengths_of_the_truth() -> None:
    truth = np.array([[3.0, 4.0], [3.0, 4.0], [0.0, 0.0]])
    sums = np.array([[3.0, 9.0], [6.0, 8.0], [1.0, 1.0]])
    np.testing.assert_allclose(shapley_error(sums, truth, add_up=True), [1, 1, np.nan])
    best = [np.sqrt(1 - (9 + 36) ** 2 / (25 * 90)), 0, np.nan]  # the sine of the angle
    np.testing.assert_allclose(shapley_error(sums, truth, add_up=False), best, atol=1e-7)
    # A map of the wrong sign is not turned round.
    np.testing.assert_allclose(shapley_error(-sums[:2], truth[:2], add_up=False), 1)
    np.testing.assert_allclose(shapley_error(0 * sums[:2], truth[:2], add_up=False), 1)


def test_the_networks_leave_the_random_state_as_it_was() -> None:
    state = torch.random.get_rng_state()
    first, second = known_answers(), known_answers()
    assert torch.equal(torch.random.get_rng_state(), state)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(outputs(one, one.images), outputs(other, other.images))
