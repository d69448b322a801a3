"""A repository whose dvc is a stand-in."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.tools.retraining.stand_in import STAND_IN, lock
from tools.retraining import queue


@pytest.fixture
def repository(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A commit with this repository's parameters and a `dvc.lock`; `dvc` is the stand-in."""
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "test@example.org")
    text = (ROOT / "params.yaml").read_text()
    (here / "params.yaml").write_text(text)
    lock(here)
    for command in ("init --quiet", "add --all", "commit --quiet --message run"):
        subprocess.run(["git", *command.split()], check=True)
    programs = here / ".git/programs"
    programs.mkdir()
    (programs / "dvc").write_text(STAND_IN)
    (programs / "dvc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(queue, "RETRY_S", 0)
    return here
