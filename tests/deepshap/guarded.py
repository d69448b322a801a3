"""Arrays between guards: it shows where a loop writes or reads beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.deepshap import kernels

GUARD = 4099
"""Numbers on either side of an array: an odd count, so that arrays lie on no vector's boundary."""

N_WRITTEN = {"transposed": 1, "contracted": 1, "pool_ratios": 2, "relu_ratios": 1}
"""How many of a loop's last arguments it writes."""

ADDS = "contracted"
"""The loop that adds to what it writes."""


def run_guarded(name: str, *arguments: Any) -> bool:
    """Run a loop on copies of its arrays, each between guards.

    A guard around floats is NaN, which shows in every sum that reads it.
    """
    first_written = len(arguments) - N_WRITTEN[name]
    copies = [
        Guarded(one, at >= first_written, name != ADDS) if isinstance(one, np.ndarray) else one
        for at, one in enumerate(arguments)
    ]
    done = RUN(name, *(one.inside if isinstance(one, Guarded) else one for one in copies))
    for one in copies:
        if isinstance(one, Guarded):
            one.check()
    return done


RUN = kernels._run


class Guarded:
    """An array's copy between guards.

    Args:
        array: In one piece.
        is_written: Whether the loop writes it.
        as_new: Whether it writes all of it: what it leaves out is NaN then.
    """

    def __init__(self, array: NDArray[Any], is_written: bool, as_new: bool) -> None:
        assert array.flags.c_contiguous
        number = {"f": np.nan, "i": -1, "u": 0xA5 if is_written else 0}[array.dtype.kind]
        self._whole = np.full(array.size + 2 * GUARD, number, array.dtype)
        self._array, self._is_written = array, is_written
        self.inside = self._whole[GUARD:-GUARD].reshape(array.shape)
        if not (is_written and as_new):  # else what is not written shows too
            self.inside[...] = array
        self._before = self._whole.copy()

    def check(self) -> None:
        """Nothing else was written; copy back what was."""
        kept = np.ones(len(self._whole), bool)
        kept[GUARD:-GUARD] = not self._is_written
        assert self._whole[kept].tobytes() == self._before[kept].tobytes()
        self._array[...] = self.inside
