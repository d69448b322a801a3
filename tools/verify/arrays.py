"""Opens arrays memory-mapped and compares their shapes, types and values."""

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.base.errors.user import reason_of

SLICE_MIB = 64  # of the largest array, read at once

Array = NDArray[Any]
Shape = tuple[int | None, ...]


class Damage(Exception):
    """An unusable file; the message has the file, the value found and the expected one."""


def opened(path: Path, kinds: str, shape: Shape) -> Array:
    """Open an array, memory-mapped.

    Args:
        path: The `.npy` file.
        kinds: Allowed types, numpy's names separated by spaces; `str` for strings of any length.
        shape: The expected shape; None for an axis of any length.

    Raises:
        Damage: The file cannot be opened, or the array has the wrong type or shape.
    """
    try:
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise Damage(f"{path}: {reason_of(error)}; expected an array") from None
    kind = "str" if array.dtype.kind == "U" else array.dtype.name
    if kind not in kinds.split():
        raise Damage(f"{path}: type is {kind}, expected {' or '.join(kinds.split())}")
    fits = len(array.shape) == len(shape) and all(
        side in (None, got) for side, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        expected = ", ".join("any" if side is None else str(side) for side in shape)
        raise Damage(f"{path}: shape is {array.shape}, expected ({expected})")
    return array


def rows_of(*arrays: Array) -> Iterator[slice]:
    """Slices of the first axis, about `SLICE_MIB` of the largest array each."""
    n = len(arrays[0])
    row = max(prod(array.shape[1:]) * array.dtype.itemsize for array in arrays)
    step = max(1, SLICE_MIB * 2**20 // max(row, 1))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def require_finite(path: Path, array: Array) -> None:
    """Reject infinities and NaN.

    Raises:
        Damage: The array has one; names the first.
    """
    for rows in rows_of(array):
        wrong = ~np.isfinite(array[rows])
        if wrong.any():
            first = np.argwhere(wrong)[0] + [rows.start, *[0] * (array.ndim - 1)]
            position = tuple(int(number) for number in first)
            raise Damage(
                f"{path}: value at {position} is {array[position]}, expected a finite number"
            )


def require_within(path: Path, array: Array, largest: int) -> None:
    """Reject integers other than 0 … largest - 1.

    Raises:
        Damage: The array has one.
    """
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    if low < 0 or high >= largest:
        wrong = low if low < 0 else high
        raise Damage(f"{path}: a value is {wrong}, expected 0 … {largest - 1}")


def require_probabilities(path: Path, array: Array, multiple: bool = False) -> None:
    """Reject rows (n, k) that are not probabilities.

    Args:
        path: The array's file.
        array: The rows.
        multiple: Whether an image may have several labels; then a row may have any sum.

    Raises:
        Damage: A value is not finite or is outside 0 … 1, or a row does not sum to 1.
    """
    require_finite(path, array)
    if multiple:
        wrong = array[(array < 0) | (array > 1)]
        if len(wrong):
            raise Damage(f"{path}: a probability is {wrong[0]:.3g}, expected 0 … 1")
        return
    allowed = array.shape[1] * np.finfo(np.float32).eps
    for rows in rows_of(array):
        sums = array[rows].sum(axis=1, dtype=np.float64)
        worst = int(np.abs(sums - 1).argmax())
        if abs(sums[worst] - 1) > allowed:
            raise Damage(
                f"{path}: row {rows.start + worst} sums to {sums[worst]:.6g}, expected 1 to within "
                f"{allowed:.1g}"
            )
        if (array[rows] < 0).any():
            raise Damage(f"{path}: a probability is {array[rows].min():.3g}, expected 0 or more")


def require_equal(path: Path, array: Array, source: str, expected: Array) -> None:
    """Reject an array that differs from its source.

    Args:
        path: The array's file.
        array: (n, ...).
        source: Name of the source, for the message.
        expected: The source's values (n, ...).

    Raises:
        Damage: The arrays differ in shape or in a row; names the first.
    """
    if array.shape != expected.shape:
        raise Damage(f"{path}: shape is {array.shape}, expected {expected.shape} as in {source}")
    for rows in rows_of(array):
        same = array[rows] == expected[rows]
        differs = ~same.reshape(len(same), -1).all(axis=1)
        if differs.any():
            row = rows.start + int(differs.argmax())
            raise Damage(f"{path}: row {row} differs from {source}, which it was taken from")
