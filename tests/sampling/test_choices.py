"""The choice of test images to explain."""

from typing import Any

import numpy as np
import pytest

from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import Names
from stages.base.errors.user import UserError
from stages.sampling.choices import Indices, choose_images, report_unrepresented

LABELS = np.array([0, 1, 2, 0, 1, 2, 0])
#                  right  wrong  right  wrong  right  wrong right; by confidence: 5, 1, 3
FILES = np.array([f"{letter}/{number}.png" for number, letter in enumerate("dbcabcd")])
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
    names: Names | None = None,
) -> Indices:
    table = probabilities() if table is None else table
    predictions = Predictions(table, LABELS, FILES if names is None else names, tuple("abc"), {})
    return choose_images(wanted, n_images, seed, predictions, {"train": np.array(["a/0.png"])})


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
        (["b/4.png", "c/2.png"], 2, [4, 2]),
        (["mistakes", "a/3.png", 3, "a/3.png"], 1, [5, 3, 3, 3]),
        (["mistakes", "per_class", 3], 2, [5, 1, 0, 4, 2, 3]),
    ],
)
def test_every_choice_and_list_selects_its_images(
    wanted: str | list[str | int], n_images: int, expected: list[int]
) -> None:
    chosen = choose(wanted, n_images)
    assert chosen.dtype == np.int64
    assert chosen.tolist() == expected


def test_random_images_are_distinct_and_depend_on_the_seed() -> None:
    def draw(seed: int) -> list[int]:
        return choose("random", n_images=5, seed=seed).tolist()

    assert len(set(draw(0))) == 5
    assert draw(0) == draw(0)
    assert len({tuple(draw(seed)) for seed in range(5)}) > 1


def test_a_class_without_a_correct_prediction_is_left_out() -> None:
    always_zero = np.tile([0.8, 0.1, 0.1], (7, 1))
    assert choose("per_class", table=always_zero).tolist() == [0]


def test_a_position_outside_the_test_split_is_rejected() -> None:
    message = r"explain\.images: positions in the test split must be 0 … 6 \(got 7, 99\)$"
    with pytest.raises(UserError, match=message):
        choose([0, 7, 99])


def test_mistakes_are_rejected_if_there_are_none() -> None:
    with pytest.raises(UserError, match=r"none of the 7 test images matches 'mistakes'; choose"):
        choose("mistakes", table=np.eye(3)[LABELS])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("b/44.png", r"no test image is called 'b/44\.png'; did you mean b/4\.png\?"),
        ("4.png", r"no test image is called '4\.png'; did you mean b/4\.png\?"),
        ("data/pets/a/3.png", r"did you mean a/3\.png\?"),
        ("./a/3.png", r"did you mean a/3\.png\?"),
        ("quite another", r"called 'quite another'; an example of a name is d/0\.png"),
        ("a/0.png", r"a/0\.png is an image of the train split; only test images are explained"),
        ("worst", r"no test image is called 'worst'; did you mean first\?"),
    ],
)
def test_a_name_that_is_not_in_the_test_split_is_rejected(name: str, message: str) -> None:
    with pytest.raises(UserError, match=rf"^explain\.images: .*{message}"):
        choose([name])


def test_a_file_name_used_in_several_classes_is_ambiguous() -> None:
    names = np.array([f"{letter}/1.png" for letter in "abcdefg"])
    with pytest.raises(UserError, match=r"did you mean a/1\.png or b/1\.png or c/1\.png\?"):
        choose(["1.png"], names=names)


def test_all_names_that_are_not_found_are_listed_once() -> None:
    with pytest.raises(UserError) as caught:
        choose(["b/l.png", "a/3.png", "c/s.png", "b/l.png"])
    lines = str(caught.value).splitlines()
    assert [line.split("'")[1] for line in lines] == ["b/l.png", "c/s.png"]


NUMBERS = np.array([0, 12, 33, 1, 50, 51, 60])  # in the published file


def test_a_number_in_quotes_is_a_name() -> None:
    assert choose(["33", "1", 5, 0], names=NUMBERS).tolist() == [2, 3, 5, 0]
    message = r"no test image is called '13'; an example of a name is 0$"
    with pytest.raises(UserError, match=message):
        choose(["13"], names=NUMBERS)


def test_a_number_without_quotes_is_a_position_even_if_it_is_also_a_name() -> None:
    assert choose([1], names=NUMBERS).tolist() == [1]
    assert choose(["1"], names=NUMBERS).tolist() == [3]


class Unread(np.ndarray[Any, np.dtype[np.str_]]):
    """Names that raise an error when they are read: a data set may have a million."""

    def astype(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("names were converted")


@pytest.mark.parametrize("wanted", ["random", ["first", 3]])
def test_names_are_only_read_if_one_is_wanted(wanted: Any) -> None:
    assert len(choose(wanted, names=FILES.view(Unread))) > 0
    with pytest.raises(AssertionError, match="converted"):
        choose(["a/3.png"], names=FILES.view(Unread))


def test_a_number_outside_the_split_that_is_a_name_gets_a_hint() -> None:
    with pytest.raises(
        UserError, match=r"be 0 … 6 \(got 33\); '33', in quotes, is the image of that name"
    ):
        choose([33], names=NUMBERS)


@pytest.mark.parametrize(
    ("wanted", "labels", "said"),
    [
        ("per_class", [0, 2, 2], "explain.images: per_class leaves out dog, without test images\n"),
        (["first", "per_class"], [0, 0], "per_class leaves out dog, horse, without test images"),
        ("per_class", [[1, 0, 1], [1, 0, 0]], "per_class leaves out dog, without test images"),
        ("per_class", [0, 1, 2], ""),
        (["first", 1], [0, 0], ""),
    ],
)
def test_classes_without_test_images_are_reported(
    wanted: Any, labels: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report_unrepresented(wanted, np.array(labels), ("cat", "dog", "horse"))
    printed = capsys.readouterr().out
    assert said in printed
    assert bool(printed) == bool(said)


def test_a_choice_takes_precedence_over_a_name() -> None:
    names = np.array(["mistakes", "all", "first", "d", "e", "f", "g"])
    assert choose(["first"], n_images=1, names=names).tolist() == [0]
    assert choose(["mistakes", 0], n_images=1, names=names).tolist() == [5, 0]
