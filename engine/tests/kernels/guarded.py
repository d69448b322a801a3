"""Puts guards around arrays, which reveal a loop that reads or writes outside of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepshap.kernels import loops

GUARD = 4099
"""Numbers on either side of an array; odd, so that arrays are not aligned with vectors."""

N_WRITTEN = {
    "transposed": 1, "contracted": 1, "pointwise": 1, "depthwise": 1, "pool_ratios": 2,
    "relu_ratios": 1,
}  # fmt: skip
"""The number of a loop's last arguments that it writes."""


def run_guarded(name: str, *arguments: Any) -> bool:
    """Run a loop on copies of its arrays, each between guards.

    Guards around floats are NaN, which spreads to every sum that reads one.
    """
    first_written = len(arguments) - N_WRITTEN[name]
    adds = name in {"transposed", "contracted"} and len(arguments[0][3]) == 1
    copies: list[Guarded] = []

    def guarded(one: Any, is_written: bool) -> Any:
        if isinstance(one, tuple):
            return tuple(guarded(item, is_written) for item in one)
        if not isinstance(one, np.ndarray):
            return one
        copies.append(Guarded(one, is_written, not adds))
        return copies[-1].inside

    done = RUN(name, *(guarded(one, at >= first_written) for at, one in enumerate(arguments)))
    for copy in copies:
        copy.check()
    return done


RUN = loops.run


class Guarded:
    """A copy of an array between guards.

    Args:
        array: A contiguous array; one that is written may have room behind it.
        is_written: Whether the loop writes to it.
        as_new: Whether the loop writes all of it; the copy then starts as NaN.
    """

    def __init__(self, array: NDArray[Any], is_written: bool, as_new: bool) -> None:
        assert array.flags.c_contiguous
        number = {"f": np.nan, "i": -1, "u": 0xA5 if is_written else 0}[array.dtype.kind]
        self._whole = np.full(array.size + 2 * GUARD, number, array.dtype)
        self._array, self._is_written = array, is_written
        self.inside = self._whole[GUARD:-GUARD].reshape(array.shape)
        if not (is_written and as_new):  # otherwise NaN reveals what is not written
            self.inside[...] = array
        self._before = self._whole.copy()
        room = array.base.size - array.size if is_written and array.base is not None else 0
        self._end = GUARD + array.size + room

    def check(self) -> None:
        """Assert that nothing else was written, and copy the results back."""
        kept = np.ones(len(self._whole), bool)
        kept[GUARD : self._end] = not self._is_written
        assert self._whole[kept].tobytes() == self._before[kept].tobytes()
        self._array[...] = self.inside
