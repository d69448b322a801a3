"""Loops in separate processes: numba missing or broken; caches empty, filled or read-only."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from deepshap import DeepShap
from deepshap.kernels import loops

from ..tiny import explained

pytestmark = pytest.mark.outside

ENGINE = Path(__file__).resolve().parents[2]

COMPILING = "DeepSHAP: compiling its loops\n"

EXPLAIN = """
import sys, torch
from deepshap import DeepShap
from tests.tiny import explained
torch.save(explained(DeepShap), sys.argv[1])
"""

OTHERS = """
from numba import njit
import deepshap.kernels.compiling
njit(lambda x: x)(1)
made = {}
exec("def f(x): return x", made)
njit(made["f"])(1)  # it has no module
"""
"""Functions of others that numba compiles."""

WITHOUT_LOOPS = """
import sys, torch
from deepshap import DeepShap
from deepshap.kernels import loops
from tests.tiny import explained

class Finder:
    error = None

    def find_spec(self, name, *_):
        if name == "numba" and self.error:
            raise self.error

def refuse(*_, **__):
    raise RuntimeError("cannot store a sum")

values = {}

def explain(way):
    loops.available.cache_clear()
    print(f"[{way}]", file=sys.stderr, flush=True)
    values[way] = explained(DeepShap)

sys.meta_path.insert(0, Finder())
sys.modules["numba"] = None
explain("missing")
del sys.modules["numba"]
for Finder.error in (
    ImportError("Numba needs NumPy 2.3 or less"),
    ModuleNotFoundError("No module named numba.cpython", name="numba.cpython"),
    SystemError("initialization of _internal failed"),
    OSError("libllvmlite.so: cannot open"),
):
    explain(type(Finder.error).__name__)
Finder.error = None
from numba.core import cgutils
cgutils.alloca_once = refuse
explain("broken")
torch.save(values, sys.argv[1])
"""
"""Explains a network without numba, then with one that does not load for several reasons.

The last one cannot compile the loops, as after a change of numba's internals.
"""

IN_FOLDER = """
import sys, torch
from deepshap import kernels
from deepshap.multiplier import Multiplier
x, b = torch.tensor([-1.0, 3.0]), torch.tensor([2.0, -1.0])
planes = (side.view(1, 2, 1, 1) for side in (x, b))
found = kernels.relu_ratios(Multiplier(torch.ones(1, 1, 1, 1, 1)), *planes)
torch.save(found.flatten(), sys.argv[1])
"""


def environment(*first: Path, **changes: str) -> dict[str, str]:
    """The environment variables of a process that finds this engine, after the folders given."""
    path = os.pathsep.join(map(str, (*first, ENGINE / "src", ENGINE)))
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "default", **changes}


def run(folder: Path, script: str, **env: str) -> str:
    """The stderr of a process that runs a script, which saves values in a folder."""
    variables = environment(folder, OMP_NUM_THREADS="1", **env)
    command = [sys.executable, "-c", script, str(folder / "values.pt")]
    result = subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stderr


def check_values(found: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Assert that a process found the values that PyTorch computes here."""
    with monkeypatch.context() as patch:
        patch.setattr(loops, "available", dict)
        expected = explained(DeepShap)
    error = (found - expected).abs().max()
    assert error <= 1e-6 * expected.abs().max()


def test_pytorch_computes_without_loops_and_warns_unless_numba_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = run(tmp_path, WITHOUT_LOOPS, NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    _, *parts = re.split(r"^\[(\w+)\]\n", printed, flags=re.MULTILINE)
    warnings = dict(zip(parts[::2], parts[1::2], strict=True))
    assert warnings.pop("missing") == ""
    broken = warnings.pop("broken")
    for loop in ("contracted", "relu_ratios"):
        warning = f"UserWarning: DeepSHAP: cannot compile {loop}, so PyTorch computes instead: "
        assert broken.count(f"{warning}RuntimeError: cannot store a sum\n") == 1
    reasons = {
        "ImportError": "Numba needs NumPy 2.3 or less",
        "ModuleNotFoundError": "No module named numba.cpython",
        "SystemError": "initialization of _internal failed",
        "OSError": "libllvmlite.so: cannot open",
    }
    assert warnings.keys() == reasons.keys()
    for error, reason in reasons.items():
        warning = f"DeepSHAP: cannot load numba, so PyTorch computes instead: {reason}\n"
        assert warnings[error].count(warning) == 1
    values = torch.load(tmp_path / "values.pt")
    assert values.keys() == {"missing", "broken", *reasons}
    for found in values.values():
        check_values(found, monkeypatch)


def test_the_first_process_compiles_and_says_so_and_the_next_reads_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What others compile in the second process is not announced."""
    cache = str(tmp_path / "cache")
    assert run(tmp_path, EXPLAIN, NUMBA_CACHE_DIR=cache) == COMPILING
    first = torch.load(tmp_path / "values.pt")
    check_values(first, monkeypatch)
    assert run(tmp_path, OTHERS + EXPLAIN, NUMBA_CACHE_DIR=cache) == ""
    assert torch.equal(torch.load(tmp_path / "values.pt"), first)


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
    assert run(tmp_path, IN_FOLDER, **nowhere) == COMPILING
    ratios = torch.load(tmp_path / "values.pt")
    assert torch.allclose(ratios, torch.tensor([2 / 3, 3 / 4]))  # (relu x - relu b) / (x - b)
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
