"""The choice of the classes to explain for each image."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import rankdata

from stages.base.errors.user import UserError
from stages.sampling.outputs import choose_classes

PROBABILITIES = np.random.default_rng(0).dirichlet(np.ones(6), size=50)
NAMES = ["cat", "dog", "horse", "2019", "true", "10"]


def test_all_classes_are_in_class_order() -> None:
    assert choose_classes("all", PROBABILITIES, NAMES).tolist() == [list(range(6))] * 50


def test_the_predicted_class_is_the_most_probable() -> None:
    chosen = choose_classes("predicted", PROBABILITIES, NAMES)
    assert chosen.dtype == np.int64
    np.testing.assert_array_equal(chosen[:, 0], PROBABILITIES.argmax(axis=1))
    np.testing.assert_array_equal(choose_classes({"top": 1}, PROBABILITIES, NAMES), chosen)


@pytest.mark.parametrize("m", [2, 6])
def test_the_top_classes_are_ranked_by_probability(m: int) -> None:
    chosen = choose_classes({"top": m}, PROBABILITIES, NAMES)
    ranks = rankdata(-PROBABILITIES, axis=1)
    np.testing.assert_array_equal(
        np.take_along_axis(ranks, chosen, axis=1), np.tile(np.arange(1, m + 1), (50, 1))
    )


def test_equally_probable_classes_are_in_class_order() -> None:
    equal = np.full((1, 4), 0.25)
    assert choose_classes({"top": 3}, equal, NAMES[:4]).tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [(["horse", "cat"], [2, 0]), ([4, 0], [4, 0]), (["2019", 2, "10"], [3, 2, 5])],
)
def test_a_list_has_names_or_numbers_of_classes(wanted: list[Any], numbers: list[int]) -> None:
    assert choose_classes(wanted, PROBABILITIES, NAMES).tolist() == [numbers] * 50


def test_names_and_numbers_of_digits_are_equivalent() -> None:
    digits = [str(number) for number in range(6)]
    for wanted in ([5, 3], ["5", "3"]):
        assert choose_classes(wanted, PROBABILITIES, digits)[0].tolist() == [5, 3]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"top": 7}, r"explain\.outputs\.top: must be at most 6, the number of .* \(got 7\)"),
        (["hors"], r"explain\.outputs: no class is called 'hors'; did you mean horse\?"),
        (["xyz"], r"no class is called 'xyz'; classes: 'cat', 'dog', .*'10'$"),
        ([6], r"class numbers must be 0 … 5 \(got 6\)"),
        ([2019], r"2019 is the name of class number 3; write '2019', in quotes"),
        ([10], r"10 is the name of class number 5; write '10', in quotes"),
        (["dog", 1], r"names the class 'dog' twice"),
    ],
)
def test_an_unknown_ambiguous_or_repeated_class_is_rejected(wanted: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        choose_classes(wanted, PROBABILITIES, NAMES)


@pytest.mark.parametrize("names", [("1", "0"), ("10", "1")])
def test_all_classes_are_in_order_of_their_numbers_whatever_their_names(
    names: tuple[str, ...],
) -> None:
    assert choose_classes("all", np.array([[0.3, 0.7]]), names).tolist() == [[0, 1]]
