"""Labels of every kind become the same class numbers."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.datasets.base.labels import classes_of

NUMBERS = np.array([2, 0, 1, 1, 2])
NAMES = np.array(["ant", "bee", "猫"])
ONE_HOT = np.eye(3)[NUMBERS]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (NUMBERS, "012"),
        (NUMBERS.astype(np.uint8)[:, None], "012"),
        (NUMBERS.astype(np.float32), "012"),
        (NUMBERS.astype(np.float64)[:, None], "012"),
        (ONE_HOT, "012"),
        (ONE_HOT.astype(bool), "012"),
        (ONE_HOT.astype(np.uint8), "012"),
        (NAMES[NUMBERS], NAMES.tolist()),
        (NAMES[NUMBERS][:, None], NAMES.tolist()),
        (np.char.encode(NAMES[NUMBERS], "utf-8"), NAMES.tolist()),
    ],
)
def test_every_kind_of_labels_is_read(labels: NDArray[Any], names: Any) -> None:
    errors: list[str] = []
    classes = classes_of({"y_train": labels, "y_test": labels[1:]}, None, 0, errors)
    assert errors == []
    assert classes.labels["y_train"].dtype == np.int64
    assert classes.labels["y_train"].tolist() == NUMBERS.tolist()
    assert classes.labels["y_test"].tolist() == NUMBERS[1:].tolist()
    assert classes.names == tuple(names)


def test_true_and_false_are_classes_1_and_0() -> None:
    labels = np.array([True, False, True])
    classes = classes_of({"y_train": labels}, ["no", "yes"], 0, [])
    assert classes.labels["y_train"].tolist() == [1, 0, 1]
    assert classes.names == ("no", "yes")


def test_given_names_set_the_class_order() -> None:
    order = ["猫", "ant", "bee", "owl"]
    classes = classes_of({"y_train": NAMES[NUMBERS]}, order, 0, [])
    assert classes.names == tuple(order)
    assert [order[number] for number in classes.labels["y_train"]] == NAMES[NUMBERS].tolist()


def test_labels_from_1_keep_their_numbers_as_names() -> None:
    errors: list[str] = []
    classes = classes_of({"y_train": NUMBERS + 1, "y_test": ONE_HOT}, None, 1, errors)
    assert errors == []
    assert {name: array.tolist() for name, array in classes.labels.items()} == {
        "y_train": NUMBERS.tolist(),
        "y_test": NUMBERS.tolist(),
    }
    assert classes.names == ("1", "2", "3")


@pytest.mark.parametrize(
    ("labels", "given", "first", "message"),
    [
        ({"a": NUMBERS + 1.0}, None, 0, "a has classes from 1 to 3, and none is 0; .*MATLAB, set"),
        ({"a": NUMBERS + 1, "b": NUMBERS}, None, 1, r"b has class 0, but .*labels_from\); remove"),
        ({"a": np.array([0.0, np.nan])}, None, 0, "not whole numbers, such as nan"),
        ({"a": np.array([0.0, 1e300])}, None, 0, r"not whole numbers, such as 1e\+300"),
        ({"a": ONE_HOT + ONE_HOT[::-1]}, None, 0, "one 1 in each row; .* data.labels: multiple"),
        ({"a": np.zeros((2, 2, 2))}, None, 0, r"of shape \(2, 2, 2\), expected a whole number"),
        ({"a": np.array([1j])}, None, 0, "a is complex128 of shape"),
        ({"a": np.array([["x", "y"]])}, None, 0, r"expected one name for each image \(n,\)"),
        ({"a": NUMBERS, "b": NAMES}, None, 0, "names in one split and numbers in another: a is in"),
        ({"a": NAMES, "b": np.array(["cow", "dog"])}, NAMES, 0, "b has the class 'cow' and 1 more"),
        ({"a": np.array([b"\xff"])}, None, 0, "a contains bytes that are not UTF-8"),
        ({"a": np.array(["\ud800"])}, None, 0, "a contains invalid Unicode"),
        ({"a": np.array([0, 1, 7])}, None, 0, "a has class 7 but only 3 labels"),
        ({"a": np.array([1, 2, 7])}, None, 1, r"expected classes 1 … k, each with an image"),
    ],
)
def test_other_labels_are_rejected(
    labels: dict[str, NDArray[Any]], given: Any, first: int, message: str
) -> None:
    errors: list[str] = []
    assert classes_of(labels, given, first, errors).names == ()
    assert len(errors) == 1
    with pytest.raises(ValueError, match=message):
        raise ValueError(errors[0])
