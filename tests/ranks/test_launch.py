"""A stage in several processes under torchrun, set by LAUNCH: messages and exit codes."""

import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.base.errors.user import UserError
from stages.base.run.rank import local_rank, n_ranks, rank, wants_ranks
from stages.ranks.launch import launch
from tests.conftest import ROOT, assert_refused, environment

STAGE = """
import os, signal, sys, time
from pathlib import Path
from stages.base.errors.user import UserError
from stages.base.run.rank import rank, n_ranks, local_rank
from stages.base.params.sections import Seed, StageParams
from stages.base.run.stage import run_stage
from stages.ranks import launch

class Params(StageParams):
    seed: Seed

def main(params):
    print(f"rank {rank()} of {n_ranks()}")
    Path(f"rank{rank()}").write_text(f"{n_ranks()} {local_rank()} {os.getpid()}")
    BODY

if __name__ == "__main__":
    run_stage(main, Params, "", launch)
"""

Start = Callable[..., "subprocess.Popen[str]"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def copy_code(folder: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "stages", folder / "stages", ignore=ignore)
    for file in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / file, folder)


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts a stage with a given body in ranks, in a copy of the code."""
    copy_code(tmp_path)

    def start(body: str, options: str, folder: Path = tmp_path) -> "subprocess.Popen[str]":
        (folder / "stages/own.py").write_text(STAGE.replace("BODY", body))
        return subprocess.Popen(
            ["python", "-m", "stages.own"],
            cwd=folder,
            env=environment(LAUNCH=options),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture
def run(start: Start) -> Run:
    """As `start`, but waits for the end."""

    def run(body: str, options: str) -> "subprocess.CompletedProcess[str]":
        process = start(body, options)
        out, err = process.communicate(timeout=100)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


def test_without_launch_there_is_one_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "8")  # set by another program
    monkeypatch.setenv("RANK", "3")
    monkeypatch.delenv("LAUNCH", raising=False)
    assert (rank(), n_ranks(), local_rank()) == (0, 1, 0)
    assert not wants_ranks()
    monkeypatch.setenv("LAUNCH", " ")
    assert not wants_ranks()


def test_all_ranks_run_the_stage_but_only_the_first_prints(run: Run, tmp_path: Path) -> None:
    result = run("pass", "--nproc-per-node 3")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["own: under torchrun --nproc-per-node 3", "rank 0 of 3"]
    assert result.stderr == ""
    written = [(tmp_path / f"rank{number}").read_text().split()[:2] for number in range(3)]
    assert written == [["3", "0"], ["3", "1"], ["3", "2"]]


@pytest.mark.parametrize("failing", ["True", "rank() == 1"])
def test_a_user_error_is_printed_once(run: Run, failing: str) -> None:
    body = f"if {failing}: raise UserError('data/own: wrong\\nin two lines')\n    time.sleep(60)"
    result = run(body, "--nproc-per-node 2")
    assert_refused(result, r"^error: data/own: wrong\nin two lines\n$")


def test_wrong_parameters_are_reported_once_before_ranks_start(run: Run, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("seed: many")
    result = run("pass", "--nproc-per-node 2")
    assert_refused(result, r"^error: params\.yaml: 1 error\n  seed: must be a whole number.*\n$")
    assert result.stdout == ""


def test_other_errors_in_a_rank_keep_their_traceback(run: Run) -> None:
    result = run("if rank() == 1: 1 / 0\n    time.sleep(60)", "--nproc-per-node 2")
    assert result.returncode == 1
    assert result.stderr.count("Traceback") == 1
    assert "ZeroDivisionError" in result.stderr
    assert result.stderr.endswith("error: rank 1 failed with exit code 1; see its error above\n")


def test_a_killed_rank_is_named(run: Run) -> None:
    body = "if rank() == 1: os.kill(os.getpid(), signal.SIGKILL)\n    time.sleep(60)"
    result = run(body, "--nproc-per-node 2")
    assert_refused(result, r"^error: rank 1 was killed by SIGKILL; .*; run dvc repro\n$")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("--nproc-per-nod 2 --many", r"unrecognized|ambiguous|unknown|is not an option"),
        ("--nproc-per-node", r"expected one argument|is not an option"),
        ("--nproc-per-node two", "Unsupported nproc_per_node value: two"),
        ("python", r"python is not an option; change it, or unset it"),
        ("'--nproc-per-node", "No closing quotation"),
        ("--nnodes 2:1 --nproc-per-node 2", "min_nodes"),
    ],
)
def test_options_that_torchrun_rejects(
    options: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAUNCH", options)
    try:
        with pytest.raises(UserError, match=rf"^LAUNCH: .*({reason})"):
            launch("own")
    finally:
        logging.disable(logging.NOTSET)


def started_ranks(folder: Path, n: int) -> list[int]:
    """Wait until all ranks run; return their process ids."""
    files = [folder / f"rank{number}" for number in range(n)]
    for _ in range(600):
        if all(file.exists() and file.read_text() for file in files):
            return [int(file.read_text().split()[2]) for file in files]
        time.sleep(0.1)
    raise AssertionError("ranks did not start")


def test_an_interrupt_ends_all_ranks_with_one_message(start: Start, tmp_path: Path) -> None:
    process = start("time.sleep(60)", "--nproc-per-node 2")
    ranks = started_ranks(tmp_path, 2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.fullmatch(r"interrupted: unfinished .*; run dvc repro to start again\n", err), err
    assert_ended(ranks)


def test_only_the_launcher_of_rank_0_removes_progress(start: Start, tmp_path: Path) -> None:
    """Other hosts may finish while rank 0 still needs it. Each host has its own folder here."""
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
    hosts = [tmp_path / "one", tmp_path / "other"]
    for host in hosts:
        copy_code(host)
    body = "Path('data/unfinished/own').mkdir(parents=True, exist_ok=True)"
    options = f"--nnodes 2 --nproc-per-node 2 --rdzv-endpoint localhost:{port}"
    processes = [start(body, options, host) for host in hosts]
    for process in processes:
        _, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
    has_rank_0 = [(host / "rank0").exists() for host in hosts]
    assert sorted(has_rank_0) == [False, True]
    assert [not (host / "data/unfinished/own").exists() for host in hosts] == has_rank_0


def test_ranks_end_when_their_launcher_is_killed(start: Start, tmp_path: Path) -> None:
    """Otherwise they would continue unseen, and write into the next run."""
    process = start("time.sleep(60)", "--nproc-per-node 2")
    ranks = started_ranks(tmp_path, 2)
    process.kill()
    process.communicate()
    assert_ended(ranks)


def assert_ended(processes: list[int]) -> None:
    for process in processes:
        for _ in range(50):
            if not alive(process):
                break
            time.sleep(0.1)
        assert not alive(process)


def alive(process: int) -> bool:
    """Whether a process runs; zombies do not count."""
    try:
        os.kill(process, 0)
        return "(zombie)" not in Path(f"/proc/{process}/status").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
