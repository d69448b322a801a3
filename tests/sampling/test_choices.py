"""Which images are explained, and against which background."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from stages.core.errors import UserError
from stages.params.explain import Explain
from stages.sampling.choices import choose_background, choose_images

LABELS = np.array([0, 1, 2, 0, 1, 2, 0])
#                  right  wrong  right  wrong  right  wrong right; surest mistake first: 5, 1, 3
CONFIDENCE = [0.9, 0.7, 0.5, 0.6, 0.8, 0.95, 0.4]
PREDICTED = [0, 2, 2, 1, 1, 0, 0]


def probabilities() -> np.ndarray[Any, np.dtype[np.float64]]:
    table = np.repeat((1 - np.array(CONFIDENCE))[:, None] / 2, 3, axis=1)
    table[np.arange(7), PREDICTED] = CONFIDENCE
    return table


def options(**changes: Any) -> Explain:
    defaults = {
        "method": "shap_deep",
        "output": "logits",
        "n_background": 10,
        "background": "stratified",
        "images": "first",
        "n_images": 2,
        "seed": 0,
        "tolerance": 1e-3,
    }
    return Explain.model_validate(defaults | changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"images": "first"}, [0, 1]),
        ({"images": "first", "n_images": 100}, [0, 1, 2, 3, 4, 5, 6]),
        ({"images": "all"}, [0, 1, 2, 3, 4, 5, 6]),
        ({"images": "per_class"}, [0, 4, 2]),
        ({"images": "mistakes"}, [5, 1]),
        ({"images": "mistakes", "n_images": 100}, [5, 1, 3]),
        ({"images": [6, 0, 6]}, [6, 0, 6]),
        ({"images": ["mistakes", "per_class", 3]}, [5, 1, 0, 4, 2, 3]),
    ],
)
def test_images(changes: dict[str, Any], expected: list[int]) -> None:
    assert choose_images(options(**changes), probabilities(), LABELS).tolist() == expected


def test_random_images_are_distinct_and_follow_the_seed() -> None:
    def draw(seed: int) -> list[int]:
        chosen = choose_images(
            options(images="random", n_images=5, seed=seed), probabilities(), LABELS
        )
        return chosen.tolist()

    assert len(set(draw(0))) == 5
    assert draw(0) == draw(0)
    assert len({tuple(draw(seed)) for seed in range(5)}) > 1


def test_a_class_that_is_never_right_is_left_out() -> None:
    always_zero = np.tile([0.8, 0.1, 0.1], (7, 1))
    assert choose_images(options(images="per_class"), always_zero, LABELS).tolist() == [0]


def test_a_position_outside_the_test_split() -> None:
    message = r"explain\.images: positions must lie in 0 … 6, the test split \(got 7, 99\)"
    with pytest.raises(UserError, match=message):
        choose_images(options(images=[0, 7, 99]), probabilities(), LABELS)


def test_no_mistakes_to_explain() -> None:
    with pytest.raises(UserError, match=r"the test split of 7 images has none for 'mistakes'"):
        choose_images(options(images="mistakes"), np.eye(3)[LABELS], LABELS)


TRAIN_LABELS = np.random.default_rng(0).choice(4, size=1000, p=[0.5, 0.3, 0.15, 0.05])


@pytest.mark.parametrize("n_background", [1, 7, 100, 999, 1000])
def test_a_stratified_background_has_each_class_by_its_share(n_background: int) -> None:
    chosen = choose_background(options(n_background=n_background), TRAIN_LABELS)
    assert len(np.unique(chosen)) == n_background
    assert (np.diff(chosen) > 0).all()
    counts, shares = Counter(TRAIN_LABELS[chosen].tolist()), Counter(TRAIN_LABELS.tolist())
    for label, size in shares.items():
        assert abs(counts[label] - size * n_background / 1000) < 1


def test_a_random_background_is_drawn_without_repeats() -> None:
    drawn = [
        choose_background(options(background="random", n_background=50, seed=s), TRAIN_LABELS)
        for s in (0, 0, 1)
    ]
    assert all(len(np.unique(positions)) == 50 for positions in drawn)
    assert drawn[0].tolist() == drawn[1].tolist() != drawn[2].tolist()


def test_a_background_larger_than_the_training_split() -> None:
    message = r"explain\.n_background: must be at most 1,000, .* \(got 1,001\)"
    with pytest.raises(UserError, match=message):
        choose_background(options(n_background=1001), TRAIN_LABELS)
