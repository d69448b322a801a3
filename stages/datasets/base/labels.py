"""Labels as people store them, as class numbers from 0, and the names of the classes."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]

LARGEST_EXACT = 1 << 53  # of the whole numbers in float64
NO_LABELS = np.empty(0, np.int64)
FROM_1 = "set data.options: {labels_from: 1}"


class Classes(NamedTuple):
    """Labels as class numbers.

    Attributes:
        labels: Class numbers (n,) of each array, by its name.
        names: Names of the classes, in class order; empty if there are errors.
    """

    labels: dict[str, Labels]
    names: tuple[str, ...]


def classes_of(
    arrays: Mapping[str, NDArray[Any]],
    given: Sequence[str] | None,
    labels_from: int,
    errors: list[str],
) -> Classes:
    """Class numbers of labels of any kind.

    Args:
        arrays: The labels of each split, by a name for messages: whole numbers of any type, or
            strings, (n,) or (n, 1); or 0 and 1 for each class (n, k), with one 1 an image.
        given: Names of the classes in class order; None for the labels themselves.
        labels_from: Number of the first class.
        errors: What is wrong is appended, a line each.
    """
    n_before = len(errors)
    flat = {name: _flat(name, array, labels_from, errors) for name, array in arrays.items()}
    kinds = {array.dtype.kind for array in flat.values()}
    if len(errors) > n_before:
        return Classes(dict.fromkeys(arrays, NO_LABELS), ())
    if len(kinds) > 1:
        listed = ", ".join(f"{name} is {arrays[name].dtype}" for name in arrays)
        errors.append(f"labels are names in one split and numbers in another: {listed}")
    elif kinds == {"U"}:
        return _from_names(flat, given, errors)
    else:
        names = _names_of_numbers(flat, given, labels_from, errors)
        return Classes({name: array - labels_from for name, array in flat.items()}, names)
    return Classes(dict.fromkeys(arrays, NO_LABELS), ())


def _flat(name: str, array: NDArray[Any], labels_from: int, errors: list[str]) -> NDArray[Any]:
    """Labels (n,), int64 from `labels_from`, or strings."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    what = f"{name} is {array.dtype} of shape {array.shape}"
    if array.ndim not in (1, 2) or array.dtype.kind not in "biufUS":
        errors.append(f"{what}, expected a whole number or a name for each image (n,)")
    elif array.dtype.kind in "US" and array.ndim == 1:
        return _text(name, array, errors)
    elif array.dtype.kind in "US":
        errors.append(f"{what}, expected one name for each image (n,)")
    elif array.dtype.kind == "f" and len(wrong := array[~_is_whole(array)]):
        errors.append(f"{what} with values that are not whole numbers, such as {wrong.flat[0]}")
    elif array.ndim == 1:
        return array.astype(np.int64)
    elif np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all():
        return np.asarray(array.argmax(axis=1) + labels_from, np.int64)
    else:
        errors.append(
            f"{what}, expected one class for each image: (n,), or (n, k) with one 1 in each row; "
            "for labels (n, k) set data.labels: multiple"
        )
    return NO_LABELS


def several_labels(name: str, array: NDArray[Any], errors: list[str]) -> Labels:
    """0 and 1 for each label (n, k); what is wrong is appended to `errors`."""
    if array.dtype.kind not in "biuf" or array.ndim != 2 or not np.isin(array, (0, 1)).all():
        errors.append(
            f"{name} is {array.dtype} of shape {array.shape}, expected 0 and 1 for each label "
            "(n, k); for one class an image set data.labels: single"
        )
        return np.empty((0, 0), np.int64)
    return array.astype(np.int64)


def is_text(strings: NDArray[np.str_]) -> bool:
    """Whether strings are valid Unicode, which NumPy does not check."""
    try:
        "".join(strings.tolist()).encode()
    except (ValueError, SystemError):  # SystemError: code points beyond Unicode
        return False
    return True


def _is_whole(array: NDArray[np.floating]) -> NDArray[np.bool_]:
    with np.errstate(over="ignore"):  # the limit is infinite as a float16
        finite = np.isfinite(array) & (np.abs(array) <= LARGEST_EXACT)
    return np.asarray(finite & (np.rint(array) == array))


def _text(name: str, array: NDArray[Any], errors: list[str]) -> NDArray[Any]:
    if array.dtype.kind == "S":
        try:
            array = np.char.decode(array, "utf-8")
        except UnicodeDecodeError:
            errors.append(f"{name} contains bytes that are not UTF-8; save strings")
    elif not is_text(array):
        errors.append(f"{name} contains invalid Unicode")
    return array


def _from_names(
    labels: Mapping[str, NDArray[Any]], given: Sequence[str] | None, errors: list[str]
) -> Classes:
    """Numbers of labels that are names: of the given classes, or in alphabetical order."""
    used = np.unique(np.concatenate(list(labels.values()))).tolist()
    names = tuple(used if given is None else given)
    unknown = [name for name in used if name not in names]
    if unknown:
        more = f" and {len(unknown) - 1:,} more" if len(unknown) > 1 else ""
        errors.append(
            f"{_holder(labels, unknown[0])} has the class {unknown[0]!r}{more}, which class_names "
            f"does not list; add it there, or leave class_names out"
        )
        return Classes(dict.fromkeys(labels, NO_LABELS), ())
    numbers = {name: number for number, name in enumerate(names)}
    found = {
        key: np.array([numbers[name] for name in array.tolist()], np.int64)
        for key, array in labels.items()
    }
    return Classes(found, names)


def _names_of_numbers(
    labels: Mapping[str, Labels], given: Sequence[str] | None, first: int, errors: list[str]
) -> tuple[str, ...]:
    """Names of numbered classes; those of the numbers from the first to the highest if not given.

    The first array is that of the training split, in which each class must occur.
    """
    name, training = next(iter(labels.items()))
    lowest = min((int(array.min()) for array in labels.values() if len(array)), default=0)
    highest = int(training.max(initial=first - 1))
    if lowest == 1 and first == 0 and highest > 1:
        errors.append(
            f"{name} has classes from 1 to {highest:,}, and none is 0; expected classes from 0: if "
            f"1 is the first class, as in MATLAB, {FROM_1}"
        )
    elif lowest == 0 and first == 1:
        errors.append(
            f"{_holder(labels, 0)} has class 0, but data.options say that classes start from 1 "
            "(labels_from); remove that option"
        )
    elif given is not None:
        return tuple(given)
    elif highest - first >= max(1, len(training)):
        errors.append(
            f"{name} has class {highest:,} but only {len(training):,} labels; expected classes "
            f"{first} … k{' - 1' if first == 0 else ''}, each with an image"
        )
    else:
        return tuple(map(str, range(first, highest + 1)))
    return ()


def _holder(labels: Mapping[str, NDArray[Any]], value: Any) -> str:
    """Name of the first array that contains a value."""
    return next(name for name, array in labels.items() if (array == value).any())
