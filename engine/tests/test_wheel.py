"""The wheel works in an environment that has PyTorch and nothing else of this repository."""

from __future__ import annotations

import importlib.metadata as metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ENGINE = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.outside

TEN_LINES = """
import importlib.util
import torch
from torch import nn
from deepshap import DeepShap, UnsupportedOperation, portable_operations

torch.manual_seed(0)
network = nn.Sequential(
    nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(), nn.Linear(36, 3)
).eval()
background, images = torch.rand(7, 1, 9, 9), torch.rand(2, 1, 9, 9)
explainer = DeepShap(network, background)
values = explainer.attribute(images)
change = network(images) - explainer.base_values
assert values.shape == (2, 1, 9, 9, 3)
assert torch.allclose(values.sum((1, 2, 3)), change, rtol=0, atol=1e-6)
assert len(portable_operations(network, images[:1])) == 5
for name in ("stages", "tools", "tests", "benchmarks", "shap", "numba", "pytest"):
    assert importlib.util.find_spec(name) is None, name
print(importlib.import_module("deepshap").__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The engine's wheel, built from a copy of its files without reaching for the network."""
    folder = tmp_path_factory.mktemp("wheel")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "tests", ".*")
    shutil.copytree(ENGINE, folder / "engine", ignore=ignore)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", *options, str(folder / "engine")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


def closure(*names: str) -> set[str]:
    """The distributions given, and all that they depend on here, directly or not."""
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(name), "") for name in names]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen or not is_installed(name):
            continue
        seen.add((name, extra))
        found.add(name)
        for each in map(Requirement, metadata.requires(name) or []):
            if each.marker is None or each.marker.evaluate({"extra": extra}):
                required = canonicalize_name(each.name)
                waiting += [(required, more) for more in ("", *each.extras)]
    return found


def is_installed(name: str) -> bool:
    """Whether a distribution is installed; a build of PyTorch may leave out its CUDA ones."""
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def entries(name: str) -> Iterator[Path]:
    """The files and folders that a distribution has at the top of `site-packages`."""
    distribution = metadata.distribution(name)
    top = {
        file.parts[0]
        for file in distribution.files or []
        if file.parts[0] not in ("..", "__pycache__")
    }
    for entry in top:
        yield Path(str(distribution.locate_file(entry)))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel, PyTorch and what PyTorch needs."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    variables = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", variables))
    for entry in {entry for name in closure("torch", "numpy") for entry in entries(name)}:
        (packages / entry.name).symlink_to(entry)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    return Path(sysconfig.get_path("scripts", "venv", variables)) / "python"


def test_the_wheel_holds_the_packages_the_licence_and_the_type_marker(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    sources = {str(file.relative_to(ENGINE / "src")) for file in (ENGINE / "src").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == sources
    assert "deepshap/py.typed" in names
    assert any(re.fullmatch(r"deepshap-[\d.]+\.dist-info/licenses/LICENSE", name) for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"deepshap"}


def test_the_wheel_s_requirements_are_torch_and_numpy(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        described = metadata.PathDistribution(zipfile.Path(archive, path.rpartition("/")[0] + "/"))
        required = [Requirement(line) for line in described.requires or []]
    assert {each.name for each in required if each.marker is None} == {"numpy", "torch"}
    fast = {r.name for r in required if r.marker and r.marker.evaluate({"extra": "fast"})}
    assert fast == {"llvmlite", "numba"}


def test_it_explains_where_there_is_pytorch_alone(python: Path, tmp_path: Path) -> None:
    variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    variables |= {"OMP_NUM_THREADS": "1"}
    command = [str(python), "-W", "error::UserWarning:deepshap", "-c", TEN_LINES]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(python.parents[1])
