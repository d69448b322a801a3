"""Rows that took long are saved for a run that is resumed, and only those."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stages.measures.explanations.base import saved
from stages.measures.explanations.base.saved import resumed, subfolder

ALL = np.arange(30.0).reshape(10, 3) / 7


class Computed:
    """The rows of `ALL` in pieces of two, with a record of where the computations began."""

    def __init__(self) -> None:
        self.began: list[int] = []

    def __call__(self, first: int) -> Iterator[NDArray[np.float64]]:
        self.began.append(first)
        for start in range(first, len(ALL), 2):
            yield ALL[start : start + 2]


@pytest.fixture
def saves_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved, "SAVE_EVERY_S", 0)


@pytest.mark.usefixtures("saves_all")
@pytest.mark.parametrize(("n_pieces", "n_saved"), [(1, 2), (2, 4), (5, 10)])
def test_a_run_that_stopped_goes_on_after_the_rows_it_saved(
    tmp_path: Path, n_pieces: int, n_saved: int
) -> None:
    compute = Computed()
    stopped = resumed(compute, tmp_path)
    for _ in range(n_pieces):
        next(stopped)
    stopped.close()
    rows = np.concatenate(list(resumed(compute, tmp_path)))
    assert compute.began == [0, n_saved]
    assert rows.tobytes() == ALL.tobytes()


@pytest.mark.usefixtures("saves_all")
def test_a_finished_step_computes_nothing_more(tmp_path: Path) -> None:
    compute = Computed()
    for _ in range(2):
        rows = np.concatenate(list(resumed(compute, tmp_path)))
        assert rows.tobytes() == ALL.tobytes()
    assert compute.began == [0, len(ALL)]


def test_what_is_quick_leaves_no_file(tmp_path: Path) -> None:
    list(resumed(Computed(), tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("saves_all")
def test_without_a_folder_nothing_is_saved() -> None:
    compute = Computed()
    list(resumed(compute, None))
    list(resumed(compute, None))
    assert compute.began == [0, 0]


def test_other_inputs_have_another_folder(tmp_path: Path) -> None:
    maps = np.ones((3, 2))
    inputs = [
        ("removal",),
        ("contrast",),
        ("removal", maps),
        ("removal", maps.T),
        ("removal", maps.astype(np.int64)),
        ("removal", 2 * maps),
        ("removal", maps, maps),
        ("remova", "l"),
    ]
    folders = [subfolder(tmp_path, *each) for each in inputs]
    assert len(set(folders)) == len(inputs)
    assert subfolder(tmp_path, "removal", torch.ones(3, 2, dtype=torch.float64)) == folders[2]
    assert subfolder(None, "removal") is None
