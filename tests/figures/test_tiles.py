import numpy as np
import pytest

from stages.figures.tiles import Fit, average, shown_classes


@pytest.mark.parametrize(
    "size", [(8, 8), (28, 28), (32, 24), (64, 64), (224, 224), (97, 200), (8, 300)]
)
def test_a_tile_is_never_larger_than_asked_nor_needlessly_small(size: tuple[int, int]) -> None:
    fit = Fit.of(size, 90)
    assert 45 <= max(fit.height, fit.width) <= 90
    image = np.zeros((*(-(-side // fit.block) for side in size), 3), np.uint8)
    assert fit.enlarge(image).shape == (fit.height, fit.width, 3)
    assert fit.block == 1 or fit.zoom == 1, "never averaged and enlarged"


@pytest.mark.parametrize("block", [1, 2, 3, 5])
def test_average_equals_the_mean_of_every_square(block: int) -> None:
    values = np.random.default_rng(0).normal(size=(2, 7, 10))
    means = average(values, block)
    for top in range(0, 7, block):
        for left in range(0, 10, block):
            square = values[:, top : top + block, left : left + block]
            np.testing.assert_allclose(
                means[:, top // block, left // block], square.mean(axis=(1, 2))
            )


def test_average_keeps_the_type() -> None:
    images = np.full((1, 3, 9, 9), 255, np.uint8)
    assert average(images, 2).dtype == np.uint8
    assert (average(images, 2) == 255).all()


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
