"""Saves rows that take long to compute, so that an interrupted run goes on where it was."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from stages.base.files.atomic import new_file
from stages.base.run.stage import require_true_record

Rows = NDArray[np.float64]
Input = str | NDArray[np.generic] | Tensor

SAVE_EVERY_S = 2.0


def resumed(compute: Callable[[int], Iterable[Rows]], folder: Path | None) -> Iterator[Rows]:
    """Yield all rows, piece by piece: first those that an interrupted run saved, then the others.

    Args:
        compute: Computes the rows from a number on, in pieces of one row or more.
        folder: Where only these rows are saved; None to save nothing.
    """
    n_saved = 0
    if folder is not None:
        for file in sorted(folder.glob("*.npy")):
            saved = np.load(file)
            n_saved += len(saved)
            yield saved
    unsaved: list[Rows] = []
    start = time.perf_counter()
    for piece in compute(n_saved):
        unsaved.append(piece)
        if folder is not None and time.perf_counter() - start > SAVE_EVERY_S:
            rows = np.concatenate(unsaved)
            require_true_record()
            with new_file(folder / f"{n_saved:09d}.npy") as new, new.open("wb") as content:
                np.save(content, rows)
            n_saved += len(rows)
            unsaved, start = [], time.perf_counter()
        yield piece


def subfolder(folder: Path | None, *inputs: Input) -> Path | None:
    """The folder for rows that depend on these inputs, apart from what names `folder`."""
    if folder is None:
        return None
    digest = hashlib.sha256()
    for value in inputs:
        if isinstance(value, str):
            content = value.encode()
        else:
            array = np.ascontiguousarray(value.cpu() if isinstance(value, Tensor) else value)
            content = repr((array.shape, array.dtype.str)).encode() + array.tobytes()
        digest.update(len(content).to_bytes(8) + content)
    return folder / digest.hexdigest()[:20]
