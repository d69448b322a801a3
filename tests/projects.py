"""A checkout that commands run in, and what they return."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests import AT_START
from tests.preloaded import Server


@dataclass(frozen=True)
class Project:
    """A checkout that commands run in."""

    root: Path

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command there, with this environment's programs first on PATH."""
        variables = self.variables(*command, **env)
        return subprocess.run(command, cwd=self.root, env=variables, capture_output=True, text=True)

    def variables(self, *command: str, **env: str) -> dict[str, str]:
        """The variables that a command gets.

        `python -m` and `dvc`, and what they start, are forks that have imported the libraries.
        Processes of other commands are started as usual.
        """
        variables = environment(**env)
        if command[0] in ("python", "dvc") and sys.platform == "linux":
            variables["PATH"] = f"{preloaded_programs()}{os.pathsep}{variables['PATH']}"
        return variables

    def start(self, *command: str, **env: str) -> "subprocess.Popen[str]":
        """Like `run`, without waiting; the command starts its own process group."""
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=environment(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def succeed(self, *command: str) -> str:
        """Run a command that must succeed; return what it printed."""
        result = self.run(*command)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def repro(self, *options: str) -> dict[str, str]:
        """Run `dvc repro`; return what became of each stage: ran, restored or unchanged."""
        return outcomes(self.succeed("dvc", "repro", *options))

    def stage(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run one stage without DVC."""
        return self.run("python", "-m", f"stages.{name}")

    def set(self, changes: Mapping[str, Any]) -> None:
        """Change `params.yaml`: {"train.epochs": 3}, or whole sections merged in."""
        path = self.root / "params.yaml"
        params = yaml.safe_load(path.read_text())
        for key, value in changes.items():
            *sections, last = key.split(".")
            section = params
            for name in sections:
                section = section[name]
            if isinstance(value, dict) and isinstance(section[last], dict):
                section[last].update(value)
            else:
                section[last] = value
        path.write_text(yaml.safe_dump(params, sort_keys=False))


def assert_refused(result: subprocess.CompletedProcess[str], message: str) -> None:
    """The command stopped at a user's error: exit code 1, a message, no traceback."""
    assert result.returncode == 1, result.stdout + result.stderr
    assert re.search(message, result.stderr), result.stderr
    assert "Traceback" not in result.stderr


def unfinished(project: Project) -> list[Path]:
    """Files left by an interrupted write."""
    return list(project.root.rglob("*.partial"))


def environment(**changes: str) -> dict[str, str]:
    """The environment variables of a user who has activated this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{AT_START['PATH']}"
    inherited = {k: v for k, v in AT_START.items() if not k.startswith(("DVC_", "GIT_"))}
    return inherited | {"PATH": path, "PYTHONWARNINGS": "default"} | changes


@cache
def preloaded_programs() -> Path:
    """The folder of programs that start at once."""
    return Server(environment()).programs


def outcomes(printed: str) -> dict[str, str]:
    """What happened to each stage, from the output of `dvc repro`."""
    patterns = {
        "ran": r"Running stage '(\w+)'",
        "restored": r"Stage '(\w+)' is cached - skipping run",
        "unchanged": r"Stage '(\w+)' didn't change",
    }
    return {
        stage: outcome
        for outcome, pattern in patterns.items()
        for stage in re.findall(pattern, printed)
    }


# Programs replace them, and tests change none of them in place.
NEVER_WRITTEN = re.compile(
    r"/clone/(\.git/objects|\.dvc/cache/files|benchmarks|docs|engine/tests|tests|tools)/"
    r"|/__pycache__/|/train-images-idx3-ubyte\.xz$"
)


def copy(project: Project, root: Path) -> Project:
    """Copy a checkout with its results; files that never change in place are linked."""

    def link_or_copy(source: str, target: str) -> None:
        (os.link if NEVER_WRITTEN.search(source) else shutil.copy2)(source, target)

    shutil.copytree(project.root, root, symlinks=True, copy_function=link_or_copy)
    return Project(root)


def commit(project: Project, message: str) -> None:
    """Commit everything."""
    project.succeed("git", "add", "--all")
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    project.succeed("git", *identity, "commit", "--quiet", "--allow-empty", "--message", message)
