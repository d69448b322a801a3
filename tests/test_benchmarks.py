"""The benchmark of a GPU runs on a CPU in a small form; multiplications are counted one by one."""

import itertools
import re
import subprocess
import sys

import pytest
import torch
from torch import nn

from benchmarks.operations import necessary
from deepshap.graph.program import Program
from deepshap.multiplier import Multiplier
from deepshap.rules.linear import Convolution
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


@pytest.mark.parametrize("everywhere", [True, False])
def test_multiplications_that_the_loops_need_are_counted(everywhere: bool) -> None:
    """Nonzero multipliers, times the taps whose input changes, channels and outputs."""
    network = nn.Sequential(
        *(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 3, 3, stride=2), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(12, 5)),
    )
    steps = Program(network.eval(), torch.rand(1, 1, 8, 8)).steps.values()
    (rule,) = (
        step.rule
        for step in steps
        if isinstance(step.rule, Convolution) and len(step.rule.weight) == 3
    )
    draw = torch.Generator().manual_seed(0)
    ratio = torch.randint(2, (4, 1, 3, 2, 2), generator=draw)
    changed = torch.rand(4, 6, 6, generator=draw) < 0.4
    expected = 0
    for pair, _, channel, y, x in itertools.product(*map(range, ratio.shape)):
        if ratio[pair, 0, channel, y, x]:
            window = changed[pair, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3]
            expected += (window.numel() if everywhere else int(window.sum())) * 2 * 5
    multiplier = Multiplier(torch.rand(4, 5, 3, 2, 2), ratio.float())
    assert necessary(rule, multiplier, None if everywhere else changed) == expected
