"""Loops in separate processes: numba missing or broken; caches empty, filled or read-only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from deepshap import DeepShap
from deepshap.kernels import loops

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
    raise RuntimeError("cannot store a sum")
cgutils.alloca_once = refuse
"""
"""A numba that cannot compile the loops, as after a change of its internals."""


UNUSABLE = """
class Finder:
    def find_spec(self, name, *_):
        if name == "numba":
            raise {error}
sys.meta_path.insert(0, Finder())
"""
"""A numba that is installed but does not load."""


def environment(*first: Path, **changes: str) -> dict[str, str]:
    """The environment variables of a process that finds this engine, after the folders given."""
    path = os.pathsep.join(map(str, (*first, ENGINE / "src", ENGINE)))
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "default", **changes}


def run(folder: Path, before: str = "", **env: str) -> str:
    """The stderr of a process that explains a network and saves the attributions in a folder."""
    script = f"import sys, torch\n{before}\nfrom deepshap import DeepShap\n{MAIN}"
    variables = environment(folder, OMP_NUM_THREADS="1", **env)
    command = [sys.executable, "-c", script, str(folder / "values.pt")]
    result = subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stderr


def check_values(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Assert that a process saved the values that PyTorch computes here."""
    with monkeypatch.context() as patch:
        patch.setattr(loops, "available", dict)
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
def test_pytorch_computes_where_numba_does_not_load_and_a_warning_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    printed = run(tmp_path, UNUSABLE.format(error=error))
    reason = error.split("'")[1]
    warning = f"DeepSHAP: cannot load numba, so PyTorch computes instead: {reason}\n"
    assert printed.count(warning) == 1
    check_values(tmp_path, monkeypatch)


def test_the_first_process_compiles_and_says_so_and_the_next_reads_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = str(tmp_path / "cache")
    assert run(tmp_path, NUMBA_CACHE_DIR=cache) == COMPILING
    check_values(tmp_path, monkeypatch)
    first = torch.load(tmp_path / "values.pt")
    assert run(tmp_path, NUMBA_CACHE_DIR=cache) == ""
    assert torch.equal(torch.load(tmp_path / "values.pt"), first)


def test_functions_that_others_compile_are_not_announced() -> None:
    script = (
        "from numba import njit; import deepshap.kernels.compiling; njit(lambda x: x)(1); "
        "made = {}; exec('def f(x): return x', made); njit(made['f'])(1)"  # it has no module
    )
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_pytorch_computes_where_loops_do_not_compile_and_a_warning_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = run(tmp_path, BROKEN, NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    for loop in ("contracted", "relu_ratios"):
        warning = f"UserWarning: DeepSHAP: cannot compile {loop}, so PyTorch computes instead: "
        assert printed.count(f"{warning}RuntimeError: cannot store a sum\n") == 1
    check_values(tmp_path, monkeypatch)


def test_a_read_only_folder_works_without_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files instead of cache folders make them read-only, even for root."""
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
def test_loops_stay_within_bounds(tmp_path: Path) -> None:
    """Numba checks all indices, also into arrays that the loops create, which have no guards.

    It does not check the addresses that `accumulate` and `mask` form.
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
