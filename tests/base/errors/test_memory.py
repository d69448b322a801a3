"""Messages when memory runs out."""

import importlib
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.base.errors import memory
from stages.base.errors.memory import (
    free_memory,
    is_out_of_memory,
    out_of_memory_message,
    require_free_memory,
)
from tests.conftest import Project, assert_refused, environment, unfinished


@pytest.mark.parametrize("allocate", [np.ones, torch.ones])
def test_out_of_memory_errors_of_libraries_are_recognised(allocate: object) -> None:
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        allocate(1 << 55)  # type: ignore[operator]  # more than any address space
    assert is_out_of_memory(caught.value)


def test_a_wrapped_out_of_memory_error_is_recognised() -> None:
    def wrapped() -> None:
        try:
            torch.ones(1 << 55)
        except RuntimeError as error:
            raise ValueError("the network cannot be run") from error

    with pytest.raises(ValueError, match="cannot be run") as caught:
        wrapped()
    assert is_out_of_memory(caught.value)
    assert "allocate memory" in out_of_memory_message(caught.value, "less")


@pytest.mark.parametrize(
    "message",
    [
        "<function _find_and_load at 0x7f2> returned NULL without setting an exception",
        "error return without exception set",
    ],
)
def test_python_without_memory_in_c_code_is_recognised(message: str) -> None:
    """As seen where torch imported a module with no memory left; the engine wraps it."""
    error = NotImplementedError("the network cannot be exported")
    error.__cause__ = SystemError(message)
    assert is_out_of_memory(error)
    assert not is_out_of_memory(SystemError("unknown opcode"))


@pytest.mark.parametrize(
    ("stage", "named", "not_named"),
    [
        ("train", "train.batch_size", "explain."),
        ("explain", "explain.n_background", "train."),
        ("preprocess", "preprocess.image_size", "train."),
    ],
)
def test_the_advice_names_parameters_of_the_stage(stage: str, named: str, not_named: str) -> None:
    message = out_of_memory_message(
        MemoryError(), importlib.import_module(f"stages.{stage}").NEEDS_LESS
    )
    assert named in message
    assert not_named not in message


# Runs a stage with little more memory than its libraries use.
LIMITED = """
import resource, sys
from pathlib import Path
from stages import {stage}
from stages.base.run.stage import run_stage

sys.argv = ["stages/{stage}.py"]
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (30 << 20),) * 2)
run_stage({stage}.main, {stage}.Params, {stage}.NEEDS_LESS)
"""


@pytest.mark.parametrize(
    ("stage", "named"),
    [
        pytest.param("download", "data.source", marks=pytest.mark.slow),
        pytest.param("preprocess", "preprocess.limit", marks=pytest.mark.slow),
        pytest.param("preflight", "section model", marks=pytest.mark.slow),
        pytest.param("train", "train.batch_size", marks=pytest.mark.slow),
        pytest.param("evaluate", "preprocess.image_size", marks=pytest.mark.slow),
        ("explain", "explain.n_background"),
        pytest.param("quality", "explain.n_images", marks=pytest.mark.slow),
        # Not report: for so few images it needs so little that OpenBLAS fails first and exits.
    ],
)
def test_a_stage_that_runs_out_of_memory(project: Project, stage: str, named: str) -> None:
    code = LIMITED.format(stage=stage)
    result = subprocess.run(
        ["python", "-c", code],
        cwd=project.root,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert_refused(result, rf"error: not enough memory .*{named}")
    assert unfinished(project) == []


@pytest.mark.parametrize("mb", [60, 300, 1000])
def test_too_little_memory_to_load_the_libraries(project: Project, mb: int) -> None:
    """Each library fails with another message, and pandas hides the error of another library."""
    result = project.run("sh", "-c", f"ulimit -v {mb}000; exec python -m stages.train")
    assert_refused(result, r"^error: not enough memory to load the libraries; free some$")


def test_images_larger_than_memory_are_rejected_first(project: Project) -> None:
    project.set({"preprocess.image_size": 5000})
    result = project.stage("preprocess")
    assert_refused(
        result,
        r"not enough memory \(1,200 images of 5000×5000 pixels need \d{3}\.\d GiB, and \d+\.\d GiB "
        r"are free\); use fewer or smaller images \(preprocess\.limit, preprocess\.image_size\)",
    )


def test_more_than_the_free_memory_is_rejected() -> None:
    free = free_memory()
    if free is None:
        pytest.skip("this system does not report its free memory")
    require_free_memory(free // 2, "some images")
    with pytest.raises(MemoryError, match=r"some images need .* GiB, and .* GiB are free"):
        require_free_memory(2 * free, "some images")


def test_the_message_quotes_the_first_line_of_the_error() -> None:
    error = MemoryError("no room for 3 GiB\nat address 0")
    assert "not enough memory (no room for 3 GiB); use" in out_of_memory_message(error, "train")
    assert "not enough memory (no details)" in out_of_memory_message(MemoryError(), "train")


def test_free_memory_respects_the_limit_of_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cached files do not count; they fill a container once it has read enough files."""
    monkeypatch.setattr(memory, "_CONTAINER", tmp_path)
    assert free_memory() != 300
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory() != 300
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("990\n")
    (tmp_path / "memory.stat").write_text("anon 650\nfile 340\nactive_file 90\ninactive_file 200\n")
    assert free_memory() == 300
