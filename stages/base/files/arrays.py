"""Arrays on disk, which may be larger than memory."""

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from stages.base.errors.user import UserError

AppendRows = Callable[[NDArray[Any]], None]

_DATA = Path("data")


@contextlib.contextmanager
def new_npy(path: Path, n_rows: int) -> Iterator[AppendRows]:
    """Write an array row by row; the file has the same bytes as from `np.save`.

    Args:
        path: The new file.
        n_rows: Number of rows that will be appended, all of one dtype and shape.
    """
    with path.open("wb") as file:

        def append(rows: NDArray[Any]) -> None:
            if file.tell() == 0:
                shape = (n_rows, *rows.shape[1:])
                header = {"descr": npy.dtype_to_descr(rows.dtype), "fortran_order": False}
                npy.write_array_header_1_0(file, {**header, "shape": shape})
            file.write(np.ascontiguousarray(rows).data)

        yield append


def load_npy(path: Path) -> NDArray[Any]:
    """A memory-mapped array: read where it is indexed, while assignments stay in memory."""
    return np.asarray(np.load(path, mmap_mode="c"))


def concatenate_on_disk(arrays: Iterable[NDArray[Any]]) -> NDArray[Any]:
    """`np.concatenate` into a memory-mapped temporary file, which disappears with the array.

    Args:
        arrays: With at least one row in total, all rows of one dtype and shape.

    Raises:
        UserError: The file cannot be written, for example on a full disk.
    """
    n_rows = 0
    with contextlib.ExitStack() as stack:
        with _writing_data():
            _DATA.mkdir(exist_ok=True)
            file = stack.enter_context(tempfile.TemporaryFile(dir=_DATA))
        for array in arrays:
            with _writing_data():
                file.write(np.ascontiguousarray(array).data)
            n_rows += len(array)
        with _writing_data():
            file.flush()
        return np.asarray(np.memmap(file, array.dtype, "c", shape=(n_rows, *array.shape[1:])))


@contextlib.contextmanager
def _writing_data() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{_DATA}: cannot be written: {error.strerror}; free some space or fix the "
            "permissions, then run again"
        ) from error
