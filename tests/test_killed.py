"""Runs killed at any moment, as in a power cut: the next run gives the same bytes."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from tests.conftest import SMALL, Project, copy, environment, unfinished

STAGES = ["check", "download", "preprocess", "preflight", "train"]
STAGES += ["evaluate", "explain", "quality", "shortcuts", "report"]
N_MOMENTS = 20


def results(project: Project, *stages: str) -> dict[Path, dict[Path, bytes]]:
    """The files of each output of stages, by their paths in the project."""
    entries = yaml.safe_load((project.root / "dvc.yaml").read_text())["stages"]
    outputs = [
        next(iter(out)) if isinstance(out, Mapping) else out
        for stage in stages
        for out in [*entries[stage]["outs"], *entries[stage].get("metrics", [])]
    ]
    return {Path(output): files(project.root, Path(output)) for output in outputs}


def files(root: Path, output: Path) -> dict[Path, bytes]:
    found = [root / output, *(root / output).rglob("*")]
    return {path.relative_to(root): path.read_bytes() for path in found if path.is_file()}


def killed(project: Project, after_s: float, *command: str) -> float:
    """Run a command, kill it with all its children; return how many seconds it ran."""
    start = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=project.root,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return time.monotonic() - start


def run_killed_and_run_again(fresh: Project, ran: Project, root: Path, after_s: float) -> None:
    """Kill and rerun the whole pipeline in a fresh clone; compare with an undisturbed run."""
    project = copy(fresh, root)
    project.set(SMALL)
    killed(project, after_s, "dvc", "repro")
    project.repro()
    assert results(project, *STAGES) == results(ran, *STAGES)
    # DVC writes stages that do not depend on each other in the order in which they ended.
    locks = [yaml.safe_load((each.root / "dvc.lock").read_text()) for each in (project, ran)]
    assert locks[0] == locks[1]
    assert unfinished(project) == []
    assert set(project.repro().values()) == {"unchanged"}


@pytest.mark.slow
@pytest.mark.parametrize("name", STAGES)
def test_each_stage_killed_at_twenty_moments(project: Project, name: str) -> None:
    new = results(project, name)
    for output in new:
        path = project.root / output
        (path / "older" if path.is_dir() else path).write_text("older")
    old = results(project, name)
    moments, command = random.Random(name), ("python", "-m", f"stages.{name}")
    duration = killed(copy(project, project.root.with_name("another")), 600, *command)
    for _ in range(N_MOMENTS):
        killed(project, moments.uniform(0, duration), *command)
        for output, content in results(project, name).items():
            grows = output == Path("plots/training.csv")  # it grows after each epoch
            assert grows or content in (old[output], new[output]), output
    project.succeed("dvc", "repro", "--single-item", "--force", name)
    assert results(project, name) == new
    assert unfinished(project) == []
    assert set(project.repro().values()) == {"unchanged"}


@pytest.mark.slow
def test_the_pipeline_killed_at_twenty_moments(
    fresh_project: Project, ran_project: Project, tmp_path: Path
) -> None:
    project = copy(fresh_project, tmp_path / "whole")
    project.set(SMALL)
    duration = killed(project, 600, "dvc", "repro")
    moments = random.Random("pipeline")
    for number in range(N_MOMENTS):
        root = tmp_path / f"clone {number}"
        run_killed_and_run_again(fresh_project, ran_project, root, moments.uniform(0, duration))
