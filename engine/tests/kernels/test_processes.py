"""Loops in processes of their own: numba missing or broken, caches empty, filled or refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from deepshap import DeepShap, kernels

from ..tiny import explained

pytestmark = pytest.mark.outside

ENGINE = Path(__file__).resolve().parents[2]

COMPILING = "DeepSHAP: compiling its loops\n"

MAIN = """
from tests.tiny import explained
torch.save(explained(DeepShap), sys.argv[1])
"""

MISSING = "sys.modules['numba'] = None"

BROKEN = """
from numba.core import cgutils
def refuse(*_, **__):
    raise RuntimeError("no place for a sum")
cgutils.alloca_once = refuse
"""
"""A numba that finds no code for the loops, as when a version changes what they are written in."""


UNUSABLE = """
class Finder:
    def find_spec(self, name, *_):
        if name == "numba":
            raise {error}
sys.meta_path.insert(0, Finder())
"""
"""A numba that is installed, but does not load."""


def environment(*first: Path, **changes: str) -> dict[str, str]:
    """The environment variables of a process that finds this engine, after the folders given."""
    path = os.pathsep.join(map(str, (*first, ENGINE / "src", ENGINE)))
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "default", **changes}


def run(folder: Path, before: str = "", **env: str) -> str:
    """Explain in a process that saves the attributions in a folder; what it wrote to stderr."""
    script = f"import sys, torch\n{before}\nfrom deepshap import DeepShap\n{MAIN}"
    variables = environment(folder, OMP_NUM_THREADS="1", **env)
    command = [sys.executable, "-c", script, str(folder / "values.pt")]
    result = subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stderr


def check_values(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process saved is what PyTorch computes here."""
    with monkeypatch.context() as patch:
        patch.setattr(kernels, "_loops", dict)
        expected = explained(DeepShap)
    error = (torch.load(folder / "values.pt") - expected).abs().max()
    assert error <= 1e-6 * expected.abs().max()


def test_without_numba_pytorch_computes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(tmp_path, MISSING) == ""
    check_values(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    "error",
    [
        "ImportError('Numba needs NumPy 2.3 or less')",
        "ModuleNotFoundError('No module named numba.cpython', name='numba.cpython')",
        "SystemError('initialization of _internal failed')",
        "OSError('libllvmlite.so: cannot open')",
    ],
)
def test_a_numba_that_does_not_load_says_why_and_pytorch_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    told = run(tmp_path, UNUSABLE.format(error=error))
    reason = error.split("'")[1]
    says = f"DeepSHAP: numba does not load, so PyTorch computes instead: {reason}\n"
    assert told.count(says) == 1
    check_values(tmp_path, monkeypatch)


def test_the_first_process_says_that_it_compiles_and_the_next_reads_what_it_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = str(tmp_path / "cache")
    assert run(tmp_path, NUMBA_CACHE_DIR=cache) == COMPILING
    check_values(tmp_path, monkeypatch)
    first = torch.load(tmp_path / "values.pt")
    assert run(tmp_path, NUMBA_CACHE_DIR=cache) == ""
    assert torch.equal(torch.load(tmp_path / "values.pt"), first)


def test_what_others_compile_is_not_told_as_ours() -> None:
    script = (
        "from numba import njit; import deepshap.kernels.compiling; njit(lambda x: x)(1); "
        "made = {}; exec('def f(x): return x', made); njit(made['f'])(1)"  # of no module
    )
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_loops_that_cannot_be_compiled_say_why_and_pytorch_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = run(tmp_path, BROKEN, NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    for loop in ("contracted", "relu_ratios"):
        says = f"UserWarning: DeepSHAP: {loop} cannot be compiled, so PyTorch computes instead: "
        assert told.count(f"{says}RuntimeError: no place for a sum\n") == 1
    check_values(tmp_path, monkeypatch)


def test_a_checkout_that_cannot_be_written_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by anyone: a file stands where the cache would, here and in the user's folder."""
    copy = shutil.copytree(
        ENGINE / "src" / "deepshap",
        tmp_path / "deepshap",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for folder in (copy, copy / "kernels"):
        (folder / "__pycache__").touch()
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    nowhere = {"HOME": os.devnull, "XDG_CACHE_HOME": os.devnull}
    assert run(tmp_path, **nowhere) == COMPILING
    check_values(tmp_path, monkeypatch)
    assert not list(tmp_path.rglob("*.nbi"))


@pytest.mark.slow
def test_nothing_is_read_or_written_out_of_bounds(tmp_path: Path) -> None:
    """By numba's own indexing, also of arrays that the loops make, which no guard surrounds.

    `accumulate` and `mask` form addresses themselves, which are not checked.
    """
    tests = Path(__file__).with_name("test_against_literal.py")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "fuzz", str(tests)],
        env=environment(NUMBA_BOUNDSCHECK="1", NUMBA_CACHE_DIR=str(tmp_path)),
        cwd=ENGINE,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout
    assert list(tmp_path.rglob("*.nbi"))
