"""What a user is told who runs out of memory."""

import numpy as np
import pytest
import torch

from stages.core.memory import is_out_of_memory, out_of_memory_message


@pytest.mark.parametrize("allocate", [np.ones, torch.ones])
def test_real_libraries_out_of_memory(allocate: object) -> None:
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        allocate(1 << 55)  # type: ignore[operator]  # more than any address space
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    ("stage", "told", "not_told"),
    [
        ("train", "train.batch_size", "explain."),
        ("explain", "explain.n_background", "train."),
        ("preprocess", "preprocess.image_size", "train."),
    ],
)
def test_the_advice_fits_the_stage(stage: str, told: str, not_told: str) -> None:
    message = out_of_memory_message(MemoryError(), stage)
    assert told in message
    assert not_told not in message


def test_the_first_line_of_the_error_is_told() -> None:
    error = MemoryError("no room for 3 GiB\nat address 0")
    assert "not enough memory (no room for 3 GiB); use" in out_of_memory_message(error, "train")
    assert "not enough memory (no more is said)" in out_of_memory_message(MemoryError(), "train")
