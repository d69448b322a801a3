"""`.npy` files that may be larger than memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

AppendRows = Callable[[NDArray[Any]], None]


@contextmanager
def new_npy(path: Path, n_rows: int) -> Iterator[AppendRows]:
    """Write an array row by row; the file has the bytes that `np.save` would give it.

    Args:
        path: Of the new file.
        n_rows: How many rows will be appended, all of the first ones' dtype and shape.
    """
    with path.open("wb") as file:

        def append(rows: NDArray[Any]) -> None:
            if file.tell() == 0:
                shape = (n_rows, *rows.shape[1:])
                header = {"descr": npy.dtype_to_descr(rows.dtype), "fortran_order": False}
                npy.write_array_header_1_0(file, {**header, "shape": shape})
            np.ascontiguousarray(rows).tofile(file)

        yield append


def load_npy(path: Path) -> NDArray[Any]:
    """An array of which only what is looked at is read; what is assigned to it stays in memory."""
    return np.asarray(np.load(path, mmap_mode="c"))
