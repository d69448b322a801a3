from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation
from stages.figures.displayed_maps import n_shown, shown_maps
from tests.runs import random_run


def explained(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer], classes: NDArray[np.integer]
) -> Explanation:
    """Images with maps of these classes (n, m)."""
    noise = random_run(1, 1, 1, 1, 1).explanation
    return replace(noise, probabilities=probabilities, labels=labels, classes=classes)


def test_up_to_twelve_maps_are_all_shown_in_order() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(200), size=3)
    classes = np.argsort(probabilities)[:, 50:62]
    shown = shown_maps(explained(probabilities, np.zeros(3, int), classes))
    np.testing.assert_array_equal(shown, np.tile(np.arange(12), (3, 1)))


def test_of_many_maps_the_most_probable_and_the_true_one_are_shown() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(200), size=50)
    order = np.argsort(-probabilities, axis=1)
    labels = np.where(np.arange(50) % 2, order[:, 3], order[:, 150])
    classes = np.tile(rng.permutation(200), (50, 1))
    shown = shown_maps(explained(probabilities, labels, classes))
    assert shown.shape == (50, 10)
    shown_classes = np.take_along_axis(classes, shown, axis=1)
    np.testing.assert_array_equal(shown_classes[1::2], order[1::2, :10])
    np.testing.assert_array_equal(shown_classes[::2, :9], order[::2, :9])
    np.testing.assert_array_equal(shown_classes[::2, 9], labels[::2])


def test_the_true_class_may_have_the_first_map() -> None:
    probabilities = np.arange(13)[None] / 78
    shown = shown_maps(explained(probabilities, np.zeros(1, int), np.arange(13)[None]))
    np.testing.assert_array_equal(shown, [[12, 11, 10, 9, 8, 7, 6, 5, 4, 0]])


def test_a_true_class_without_a_map_replaces_no_other() -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(200), size=5)
    order = np.argsort(-probabilities, axis=1)
    shown = shown_maps(explained(probabilities, order[:, 150], order[:, :20]))
    np.testing.assert_array_equal(shown, np.tile(np.arange(10), (5, 1)))


def test_the_number_of_shown_maps_equals_n_shown() -> None:
    for n_maps in (1, 2, 12, 13, 200):
        probabilities = np.full((1, n_maps), 1 / n_maps)
        maps = explained(probabilities, np.zeros(1, int), np.arange(n_maps)[None])
        assert shown_maps(maps).shape == (1, n_shown(n_maps))
