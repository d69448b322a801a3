"""The benchmark of a GPU runs on a CPU in a small form, so that it starts at once where one is."""

import re
import subprocess
import sys

import pytest
import torch

from tests.conftest import ROOT, environment


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.gpu", *options]
    return subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_gpu_benchmark_runs_on_a_cpu() -> None:
    process = run("--device", "cpu", "--small")
    assert process.returncode == 0, process.stderr
    rows = re.findall(r"^\| (\w+) \| ([\d.e+-]+) \| [\d.]+ \| [\d.]+ \| ", process.stdout, re.M)
    assert [name for name, _ in rows] == ["lenet", "mnasnet0_5"]
    assert all(float(difference) < 1e-6 for _, difference in rows), "it is the same device"
    assert re.search(
        r"^convnet: usual [\d.]+ ms, float32 [\d.]+ ms, bfloat16", process.stdout, re.M
    )
    assert process.stdout.count("Self CPU time total") == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_what_to_do() -> None:
    process = run()
    assert process.returncode == 1
    assert process.stderr == (
        "error: benchmarks.gpu needs a CUDA device; --device cpu --small tries it\n"
    )
    assert process.stdout == ""
