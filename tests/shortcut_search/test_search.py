"""The whole search, on a network whose shortcut is known, and on networks without one."""

import numpy as np
import pytest
from scipy.special import logsumexp

from stages.shortcut_search.all_classes import not_searched
from stages.shortcut_search.rule import Rule
from stages.shortcut_search.search import TEST, findings, search
from tests.shortcut_search.known import (
    CORNER,
    GAIN,
    MARKED_CLASS,
    N_CLASSES,
    SIDE,
    WEIGHT,
    Linear,
    attributions,
    drawn,
    subject_of,
)


def found_in(share, corner_weight=WEIGHT, seed=0):
    network = Linear(corner_weight)
    images, labels, marked = drawn(480, share, seed)
    maps = attributions(network, images)
    with subject_of(network, images, labels, maps) as subject:
        return findings(search(subject, list(range(N_CLASSES)))), subject, marked


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5, 0.9])
def test_a_planted_mark_is_found_with_exactly_its_members_and_region(share: float) -> None:
    (finding,), subject, marked = found_in(share)
    assert finding.class_number == MARKED_CLASS
    np.testing.assert_array_equal(finding.members, np.flatnonzero(marked))
    region = subject.grid.pixels(finding.rule.regions)[0]
    corner = np.zeros((SIDE, SIDE), bool)
    corner[CORNER, CORNER] = True
    np.testing.assert_array_equal(region, corner)
    assert finding.variation == 0  # the mark is the same in all


def test_a_mark_on_every_image_is_found() -> None:
    found, _, marked = found_in(1.0)
    corner = [f for f in found if f.rule.kind == "whole" and f.rule.regions[0][0, 0]]
    assert [finding.class_number for finding in corner] == [MARKED_CLASS]
    np.testing.assert_array_equal(corner[0].members, np.flatnonzero(marked))


@pytest.mark.parametrize("seed", range(3))
def test_nothing_planted_and_nothing_found(seed: int) -> None:
    assert found_in(0.0, seed=seed)[0] == []


def test_a_mark_that_the_network_ignores_is_no_shortcut() -> None:
    assert found_in(0.3, corner_weight=0.0)[0] == []


def test_effect_flips_and_removal_are_those_of_the_linear_network() -> None:
    """Pasting and removing the corner adds and subtracts w·x of its pixels, no more and no less."""
    (finding,), subject, marked = found_in(0.3)
    images = subject.laboratory.images
    weights = Linear().weights.double().numpy()
    logits = images.reshape(len(images), -1) @ weights.T.astype(np.float64)
    _, half = subject.halves()

    def log_odds(values):
        others = np.delete(values, MARKED_CLASS, axis=1)
        return values[:, MARKED_CLASS] - logsumexp(others, axis=1)

    corners = images[:, 0, CORNER, CORNER].sum(axis=(1, 2), dtype=np.float64) * WEIGHT
    hosts = half.hosts(MARKED_CLASS, 27)
    own = half.of_class(MARKED_CLASS)
    given = corners[own[marked[own]]].mean()
    assert given == pytest.approx(GAIN)
    # The others' pixels are noise of 0 … 2, so their mean lies within 0 and a hundredth of GAIN.
    assert GAIN * 0.99 < finding.effect < GAIN
    after = logits[hosts].copy()
    after[:, MARKED_CLASS] += GAIN - corners[hosts]
    assert finding.flips == pytest.approx((after.argmax(axis=1) == MARKED_CLASS).mean())
    assert finding.flips_others == 0
    members = own[marked[own]]
    lost = logits[members].copy()
    lost[:, MARKED_CLASS] -= GAIN
    # Fillers' corners are noise of 0 … 2, a hundredth of the mark.
    assert finding.drop == pytest.approx(
        (log_odds(logits[members]) - log_odds(lost)).mean(), rel=0.02
    )
    falls = (lost.argmax(axis=1) != MARKED_CLASS).mean()
    assert finding.falls == pytest.approx(falls, abs=1 / len(members))


@pytest.mark.parametrize("kind", ["part", "moving"])
def test_pixels_that_have_nothing_in_common_vary_as_among_others(kind: str) -> None:
    _, subject, _ = found_in(0.0)
    region = np.zeros((1, *subject.grid.shape), bool)
    region[0, 5:9, 5:9] = True  # noise, in members as in others
    rule = Rule(kind, region, np.zeros(1), np.ones(1), 0.0)
    _, half = subject.halves()
    variation = half.variation(0, rule, TEST)
    assert np.isnan(variation) if kind == "moving" else variation == pytest.approx(1, abs=0.05)


def test_the_same_seed_gives_the_same_findings() -> None:
    first, second = (found_in(0.2)[0] for _ in range(2))
    assert [f.p for f in first] == [f.p for f in second]
    assert [f.effect for f in first] == [f.effect for f in second]


def test_members_that_search_take_no_part_in_the_test() -> None:
    _, subject, _ = found_in(0.2)
    searching, testing = subject.halves()
    assert len(np.intersect1d(searching.images, testing.images)) == 0
    assert len(searching.images) + len(testing.images) == 480
    for number in range(N_CLASSES):
        sizes = [len(half.of_class(number)) for half in (searching, testing)]
        assert abs(sizes[0] - sizes[1]) <= 1
        assert set(testing.hosts(number, 9)) <= set(testing.not_of_class(number))


def test_classes_with_few_images_are_not_searched_and_say_why() -> None:
    predicted = np.repeat([0, 1, 2], [100, 19, 30])
    reasons = not_searched(predicted, 4)
    assert reasons == {
        1: "19 searched images are predicted as it, at least 20 are needed",
        3: "0 searched images are predicted as it, at least 20 are needed",
    }


def test_one_class_alone_is_not_searched() -> None:
    assert (
        "0 searched images are predicted as another class"
        in not_searched(np.zeros(50, np.int64), 1)[0]
    )
