"""A DVC experiment runs in a copy of the repository, with the engine of that copy."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, environment


def test_a_copy_of_the_repository_uses_its_own_engine(tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("stages", "engine/src"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    imported = subprocess.run(
        [sys.executable, "-c", "import stages, deepshap; print(deepshap.__file__)"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert Path(imported.strip()) == tmp_path / "engine/src/deepshap/__init__.py"
