"""Explaining in shards: any sizes, threads, processes and kills give the same bytes."""

import hashlib
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import Project, assert_refused, copy

N_IMAGES = 64
SIZE = "SHARD_SIZE = 1024"
METHODS = ["random", "integrated_gradients"]


@pytest.fixture(scope="module")
def explained(ran_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with 64 explained images: one process, one thread, two shards."""
    project = copy(ran_project, tmp_path_factory.mktemp("explained") / "clone")
    project.set({"explain.n_images": N_IMAGES})
    result = project.run("python", "-m", "stages.explain", OMP_NUM_THREADS="1")
    assert result.returncode == 0, result.stderr
    return project


@pytest.fixture
def another(explained: Project, tmp_path: Path) -> Project:
    return copy(explained, tmp_path / "clone")


def set_shard_size(project: Project, size: int) -> None:
    path = project.root / "stages/ranks/shards.py"
    assert SIZE in path.read_text()
    path.write_text(path.read_text().replace(SIZE, f"SHARD_SIZE = {size}"))


def digests(project: Project, *folders: str) -> dict[str, str]:
    return {
        str(path.relative_to(project.root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted((project.root / folder).rglob("*"))
        if path.is_file()
    }


def assert_same_explanation(project: Project, other: Project) -> None:
    found = digests(project, "data/shap", "data/portable")
    assert found
    assert found == digests(other, "data/shap", "data/portable")
    assert not (project.root / "data/unfinished/explain").exists()


@pytest.mark.parametrize(
    ("size", "threads", "launch"),
    [
        (8, "2", ""),
        pytest.param(16, "3", "", marks=pytest.mark.slow),
        pytest.param(8, "1", "--nproc-per-node 2", marks=pytest.mark.slow),
        pytest.param(16, "1", "--nproc-per-node 3", marks=pytest.mark.slow),
    ],
)
def test_shards_threads_and_processes_change_no_byte(
    explained: Project, another: Project, size: int, threads: str, launch: str
) -> None:
    set_shard_size(another, size)
    (another.root / "data/shap/values.npy").unlink()
    result = another.run("python", "-m", "stages.explain", OMP_NUM_THREADS=threads, LAUNCH=launch)
    assert result.returncode == 0, result.stderr
    assert_same_explanation(another, explained)


@pytest.mark.parametrize("stage", ["evaluate", pytest.param("quality", marks=pytest.mark.slow)])
def test_threads_change_no_byte(explained: Project, another: Project, stage: str) -> None:
    for project in (another, explained):
        project.set({"quality": {"methods": METHODS, "n_images": 2}})
    folders = {"evaluate": "data/predictions", "quality": "data/quality"}
    for project, threads in ((explained, "1"), (another, "3")):
        result = project.run("python", "-m", f"stages.{stage}", OMP_NUM_THREADS=threads)
        assert result.returncode == 0, result.stderr
    found = digests(another, folders[stage])
    assert found
    assert found == digests(explained, folders[stage])


def started(project: Project, **env: str) -> "subprocess.Popen[str]":
    return project.start(
        "python", "-m", "stages.explain", OMP_NUM_THREADS="1", SECONDS_A_SLICE="1", **env
    )


def wait_for_shards(process: "subprocess.Popen[str]", project: Project, count: int) -> None:
    folder = project.root / "data/unfinished/explain"
    finished = f"*/{'[0-9]' * 9}/labels.npy"  # not a folder that is yet to be renamed
    while process.poll() is None and len(list(folder.glob(finished))) < count:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()


def process_of_rank(launcher: int, rank: int) -> int:
    for children in Path(f"/proc/{launcher}/task").glob("*/children"):
        for child in children.read_text().split():
            variables = Path(f"/proc/{child}/environ").read_text().split("\0")
            if f"RANK={rank}" in variables:
                return int(child)
    raise AssertionError(f"no process of rank {rank}")


def slowed(project: Project) -> None:
    """Have explain wait if it was `started`, so that there is time to kill it.

    It has many shards of one slice.
    """
    set_shard_size(project, 8)
    source = project.root / "stages/explainers/deep.py"
    wait = "import os, time; time.sleep(int(os.environ.get('SECONDS_A_SLICE', 0)))"
    code = source.read_text()
    assert "        alike =" in code
    source.write_text(code.replace("        alike =", f"        {wait}\n        alike ="))


def test_explain_resumes_after_a_kill(explained: Project, another: Project) -> None:
    slowed(another)
    process = started(another)
    wait_for_shards(process, another, 2)
    process.kill()
    process.communicate()
    result = another.stage("explain")
    assert result.returncode == 0, result.stderr
    assert f"explain: resuming, 16 of {N_IMAGES} images are finished" in result.stdout
    assert_same_explanation(another, explained)


@pytest.mark.slow  # a run and a half
def test_other_parameters_after_a_kill_start_again(another: Project) -> None:
    slowed(another)
    process = started(another)
    wait_for_shards(process, another, 1)
    process.kill()
    process.communicate()
    another.set({"explain.tolerance": 0.5})
    result = another.stage("explain")
    assert result.returncode == 0, result.stderr
    assert "resuming" not in result.stdout
    assert not (another.root / "data/unfinished/explain").exists()


@pytest.mark.parametrize("restarts", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_killed_rank_can_be_resumed_or_restarted(
    explained: Project, another: Project, restarts: int
) -> None:
    slowed(another)
    launch = f"--nproc-per-node 3 --max-restarts {restarts}"
    process = started(another, LAUNCH=launch)
    wait_for_shards(process, another, 1)
    os.kill(process_of_rank(process.pid, 1), signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    result = subprocess.CompletedProcess(process.args, process.returncode, out, err)
    if restarts == 0:
        assert_refused(result, "rank 1 was killed by SIGKILL")
        result = another.run("python", "-m", "stages.explain", LAUNCH=launch)
    assert result.returncode == 0, result.stderr
    assert "explain: resuming" in result.stdout
    assert_same_explanation(another, explained)
