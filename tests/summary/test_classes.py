import numpy as np

from stages.summary.classes import n_shown, shown_classes


def test_up_to_twelve_classes_are_all_shown_in_class_order() -> None:
    chances = np.random.default_rng(0).dirichlet(np.ones(12), size=3)
    np.testing.assert_array_equal(shown_classes(chances, np.zeros(3, int))[1], np.arange(12))


def test_of_many_classes_the_most_probable_and_the_true_one_are_shown() -> None:
    chances = np.random.default_rng(0).dirichlet(np.ones(200), size=50)
    order = np.argsort(-chances, axis=1)
    labels = np.where(np.arange(50) % 2, order[:, 3], order[:, 150])
    shown = shown_classes(chances, labels)
    assert shown.shape == (50, 10)
    np.testing.assert_array_equal(shown[1::2], order[1::2, :10])
    np.testing.assert_array_equal(shown[::2, :9], order[::2, :9])
    np.testing.assert_array_equal(shown[::2, 9], labels[::2])


def test_as_many_classes_are_shown_as_are_counted() -> None:
    for n_classes in (2, 12, 13, 200):
        probabilities = np.full((1, n_classes), 1 / n_classes)
        assert shown_classes(probabilities, np.zeros(1, int)).shape == (1, n_shown(n_classes))
