"""What `make setup` does to an environment: new, unfinished, finished, or made by hand.

The interpreter is a stub that records its arguments, since real installations take minutes.
"""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.pages import blocks

# Answers as Python would: `-c` checks the version, `-m venv` makes an environment with this stub.
STUB = """#!/bin/sh
echo "$@" | head -1 >> {log}
case "$1 $2" in
  "-c "*) exec {python} -c "import sys; sys.version_info = {version}
$2" ;;
  "-m venv") mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
  "-m pip") case "$3" in install) cp "$0" "$(dirname "$0")/uv" ;; esac ;;
esac
"""


class Setup:
    """A folder with a stub interpreter, and the environment that it makes."""

    def __init__(self, folder: Path, version: tuple[int, int]) -> None:
        self.venv, self.log, self.stub = folder / "venv", folder / "log", folder / "python"
        system = os.path.realpath("/usr/bin/env") + " python3"
        self.stub.write_text(STUB.format(log=self.log, python=system, version=version))
        self.stub.chmod(0o755)
        self.log.touch()

    def run(self) -> subprocess.CompletedProcess[str]:
        command = ["make", "setup", f"VENV={self.venv}", f"PYTHON={self.stub}"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    def calls(self) -> list[str]:
        """What the interpreters were asked since the last call."""
        lines = self.log.read_text().splitlines()
        self.log.write_text("")
        return lines


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path, (3, 11))


def makes_environment(calls: list[str]) -> bool:
    return any(call.startswith("-m venv --clear") for call in calls)


def test_a_new_environment_is_made_once(setup: Setup) -> None:
    result = setup.run()
    assert result.returncode == 0, result.stderr
    calls = setup.calls()
    assert makes_environment(calls)
    installed = next(call for call in calls if call.startswith("pip install --python"))
    assert "--editable ./engine[fast] --editable ." in installed
    assert setup.run().returncode == 0
    assert setup.calls() == []


def test_without_make_the_same_packages_are_installed(setup: Setup) -> None:
    """The commands of docs/how-to/set-up.md, which the README links."""
    assert setup.run().returncode == 0
    (call,) = (call for call in setup.calls() if call.startswith("pip install --python"))
    _, packages = call.split(str(setup.venv))
    (block,) = (b for b in blocks("console") if b.commands[0].startswith("python3 -m venv .venv"))
    install, page = block.commands[1:3]
    assert shlex.split(install) == ["python", "-m", "pip", "install", *packages.split()]
    assert page == "python -m tools.plots_page"
    assert "python -m tools.plots_page" in (ROOT / "Makefile").read_text()


def test_an_older_python_is_refused_and_makes_nothing(tmp_path: Path) -> None:
    setup = Setup(tmp_path, (3, 10))
    result = setup.run()
    assert result.returncode != 0
    assert "error: Python 3.11 or later is needed" in result.stderr
    assert not setup.venv.exists()


def test_an_environment_without_pip_is_made_again(setup: Setup) -> None:
    (setup.venv / "bin").mkdir(parents=True)
    (setup.venv / "bin/python").write_text("#!/bin/sh\nexit 1\n")
    (setup.venv / "bin/python").chmod(0o755)
    assert setup.run().returncode == 0
    assert makes_environment(setup.calls())


def test_an_environment_of_an_older_python_is_made_again(setup: Setup, tmp_path: Path) -> None:
    """Such as pip fails in, also if it is active: `python3` is then the environment's own."""
    (tmp_path / "old").mkdir()
    old = Setup(tmp_path / "old", (3, 10))
    (setup.venv / "bin").mkdir(parents=True)
    (setup.venv / "pyvenv.cfg").touch()
    shutil.copy(old.stub, setup.venv / "bin" / setup.stub.name)
    command = ["make", "setup", f"VENV={setup.venv}", f"PYTHON={setup.stub.name}"]
    path = f"{setup.stub.parent}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PATH": path}
    )
    assert result.returncode == 0, result.stderr
    assert makes_environment(setup.calls())
    assert setup.run().returncode == 0
    assert setup.calls() == []


def test_a_folder_without_a_git_repository_is_refused_before_the_set_up(
    setup: Setup, tmp_path: Path
) -> None:
    """As a downloaded archive is."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    command = ["make", "repro", f"VENV={setup.venv}", f"PYTHON={setup.stub}"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode != 0
    assert "error: this folder is no Git repository" in result.stderr
    assert "run git init" in result.stderr
    assert setup.calls() == []


def test_an_environment_made_by_hand_is_kept(setup: Setup) -> None:
    (setup.venv / "bin").mkdir(parents=True)
    (setup.venv / "bin/python").write_bytes(setup.stub.read_bytes())
    (setup.venv / "bin/python").chmod(0o755)
    assert setup.run().returncode == 0
    assert not makes_environment(setup.calls())


def test_an_interrupted_installation_is_resumed(setup: Setup) -> None:
    assert setup.run().returncode == 0
    setup.calls()
    (setup.venv / ".ready").unlink()
    (setup.venv / "bin/uv").unlink()
    assert setup.run().returncode == 0
    calls = setup.calls()
    assert not makes_environment(calls)
    assert any(call.startswith("-m pip install") for call in calls)
    assert any("--editable ." in call for call in calls)
