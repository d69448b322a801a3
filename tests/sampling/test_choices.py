"""Which test images are explained."""

from typing import Any

import numpy as np
import pytest

from stages.artifacts.predictions import Predictions
from stages.core.errors import UserError
from stages.sampling.choices import Positions, choose_images

LABELS = np.array([0, 1, 2, 0, 1, 2, 0])
#                  right  wrong  right  wrong  right  wrong right; by confidence: 5, 1, 3
CONFIDENCE = [0.9, 0.7, 0.5, 0.6, 0.8, 0.95, 0.4]
PREDICTED = [0, 2, 2, 1, 1, 0, 0]


def probabilities() -> np.ndarray[Any, np.dtype[np.float64]]:
    table = np.repeat((1 - np.array(CONFIDENCE))[:, None] / 2, 3, axis=1)
    table[np.arange(7), PREDICTED] = CONFIDENCE
    return table


def choose(
    wanted: Any,
    n_images: int = 2,
    seed: int = 0,
    table: np.ndarray[Any, np.dtype[np.float64]] | None = None,
) -> Positions:
    table = probabilities() if table is None else table
    predictions = Predictions(table, LABELS, ("a", "b", "c"), {})
    return choose_images(wanted, n_images, seed, predictions)


@pytest.mark.parametrize(
    ("wanted", "n_images", "expected"),
    [
        ("first", 2, [0, 1]),
        ("first", 100, [0, 1, 2, 3, 4, 5, 6]),
        ("all", 2, [0, 1, 2, 3, 4, 5, 6]),
        ("per_class", 2, [0, 4, 2]),
        ("mistakes", 2, [5, 1]),
        ("mistakes", 100, [5, 1, 3]),
        ([6, 0, 6], 2, [6, 0, 6]),
        (["mistakes", "per_class", 3], 2, [5, 1, 0, 4, 2, 3]),
    ],
)
def test_images(wanted: str | list[str | int], n_images: int, expected: list[int]) -> None:
    assert choose(wanted, n_images).tolist() == expected


def test_random_images_are_distinct_and_follow_the_seed() -> None:
    def draw(seed: int) -> list[int]:
        return choose("random", n_images=5, seed=seed).tolist()

    assert len(set(draw(0))) == 5
    assert draw(0) == draw(0)
    assert len({tuple(draw(seed)) for seed in range(5)}) > 1


def test_a_class_that_is_never_right_is_left_out() -> None:
    always_zero = np.tile([0.8, 0.1, 0.1], (7, 1))
    assert choose("per_class", table=always_zero).tolist() == [0]


def test_a_position_outside_the_test_split() -> None:
    message = r"explain\.images: positions must lie in 0 … 6, the test split \(got 7, 99\)"
    with pytest.raises(UserError, match=message):
        choose([0, 7, 99])


def test_no_mistakes_to_explain() -> None:
    with pytest.raises(UserError, match=r"none of the 7 test images matches 'mistakes'; choose"):
        choose("mistakes", table=np.eye(3)[LABELS])
