"""Forks of a process that has imported the libraries act like new processes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Project

PROGRAM = """
import os, sys
print(__name__, __file__, sys.argv, sys.path[0], os.getcwd(), sys.stdin.read())
print("to stderr", file=sys.stderr)
{end}
"""
ENDS = {
    "its end": "",
    "a code": "sys.exit(3)",
    "a message": "sys.exit('error: in words')",
    "an error": "1 / 0",
    "a signal": "sys.stdout.flush(); os.kill(os.getpid(), 9)",
}
HAS_TORCH = "import sys\nprint('torch' in sys.modules)\n"
linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, all processes are new")


@linux
@pytest.mark.parametrize("end", ENDS)
def test_a_fork_acts_like_a_new_process(here: Path, end: str) -> None:
    (here / "own.py").write_text(PROGRAM.format(end=ENDS[end]))
    (here / "empty").touch()
    command = ("python", "-m", "own", "--option", "a b")
    project = Project(here)
    with (here / "empty").open() as nothing:
        fork, new = (
            subprocess.run(
                command, stdin=nothing, capture_output=True, text=True, cwd=here, env=variables
            )
            for variables in (project.variables(*command), project.variables("sh"))
        )
    assert (fork.returncode, fork.stdout) == (new.returncode, new.stdout)
    if end != "a signal":
        assert "['" + str(here / "own.py") in fork.stdout
    last = [result.stderr.splitlines()[-1:] for result in (fork, new)]
    assert last[0] == last[1]


@linux
def test_only_the_same_environment_is_forked(here: Path) -> None:
    (here / "own.py").write_text(HAS_TORCH)
    project = Project(here)
    assert project.succeed("python", "-m", "own") == "True\n"
    assert project.run("python", "-m", "own", OMP_NUM_THREADS="7").stdout == "False\n"
    assert project.succeed("sh", "-c", "python -m own") == "False\n"


@linux
def test_dvc_and_what_it_starts_are_forks(here: Path) -> None:
    (here / "own.py").write_text(HAS_TORCH)
    project = Project(here)
    project.succeed("dvc", "init", "--no-scm", "--quiet")
    project.succeed("dvc", "stage", "add", "--quiet", "--name", "own", "python -m own")
    assert re.search(r"^True$", project.succeed("dvc", "repro"), re.MULTILINE)
