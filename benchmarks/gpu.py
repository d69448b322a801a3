"""Everything worth knowing about a GPU, in at most eight minutes: `python -m benchmarks.gpu`.

Runs the tests that need a GPU, then measures explaining beside shap and captum (values against the
CPU's, time, memory), a training step beside the usual loop, and where the time goes. `--device cpu
--small` tries the command itself on any machine.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from benchmarks.deepshap import COMPARED, by_captum, by_shap, matrix_rate, mnist, peak_mb, trained
from benchmarks.deepshap_deep import not_in_place, pictures, seeded
from benchmarks.train import LOOPS, mnist_folder, our_loop, usual_loop
from deepshap import DeepShap

TERA = 1e12
LARGE = ("resnet50", "vit_b_16", "convnext_tiny")


class Extent(NamedTuple):
    """How much is measured."""

    digits: tuple[str, ...] = tuple(COMPARED)
    large: tuple[str, ...] = LARGE
    side: int = 224
    n_background: int = 100
    n_images: int = 32
    rounds: int = 3
    steps: int = 60
    n_training: int = 25_600


SMALL = Extent(("lenet",), ("mnasnet0_5",), 32, 3, n_images=2, rounds=1, steps=2, n_training=256)
N_COMPARED = 4
"""Background images for the comparison with the CPU, which is slow."""


class Machine:
    """A device, with times that include its work and the memory it used."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.is_gpu = device.type == "cuda"

    def wait(self) -> None:
        """Wait until the device has done all it was given."""
        if self.is_gpu:
            torch.cuda.synchronize(self.device)

    def milliseconds(self, run: Callable[[], object], rounds: int) -> float:
        """Median duration of a call, after one that warms up."""
        run()
        took = []
        for _ in range(rounds):
            self.wait()
            start = time.perf_counter()
            run()
            self.wait()
            took.append(1e3 * (time.perf_counter() - start))
        return statistics.median(took)

    def peak_gib(self, run: Callable[[], object]) -> float:
        """Peak memory of the device during a call; on the CPU, of this process since its start."""
        if not self.is_gpu:
            run()
            return peak_mb() * 1e6 / 2**30
        torch.cuda.reset_peak_memory_stats(self.device)
        run()
        return torch.cuda.max_memory_allocated(self.device) / 2**30


def main() -> None:
    """Print every section, and when it was over."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="a trial of the command")
    options = parser.parse_args()
    machine, extent = Machine(torch.device(options.device)), SMALL if options.small else Extent()
    if machine.is_gpu and not torch.cuda.is_available():
        sys.exit("error: benchmarks.gpu needs a CUDA device; --device cpu --small tries it")
    warnings.simplefilter("ignore")  # shap and captum warn about their hooks
    start = time.perf_counter()
    for section in (describe, run_tests, explain_digits, explain_large, train, find_time):
        print(f"\n## {(section.__doc__ or '').splitlines()[0]}\n", flush=True)
        section(machine, extent)
        print(f"\n({time.perf_counter() - start:.0f} s so far)", flush=True)


def describe(machine: Machine, _: Extent) -> None:
    """The device and the rate at which it multiplies matrices."""
    name = torch.cuda.get_device_name(machine.device) if machine.is_gpu else "CPU"
    print(f"{name}, torch {torch.__version__}, CPU: {matrix_rate() / TERA:.2f} TFLOP/s")
    for dtype in (torch.float32, torch.bfloat16):
        side = 8192 if machine.is_gpu else 512
        a = torch.rand(side, side, device=machine.device, dtype=dtype)
        took = machine.milliseconds(partial(torch.matmul, a, a), 5)
        print(f"{dtype}: {2 * side**3 / took * 1e3 / TERA:.2f} TFLOP/s")


def run_tests(machine: Machine, _: Extent) -> None:
    """Tests that need a GPU."""
    if not machine.is_gpu:
        print("none: no GPU")
        return
    for folder in ("engine", "."):
        command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu"]
        subprocess.run(command, cwd=folder, check=False)  # a failure is printed; go on


def explain_digits(machine: Machine, extent: Extent) -> None:
    """Four small networks on MNIST, ten outputs."""
    background, images = mnist("train", extent.n_background), mnist("t10k", extent.n_images)
    _compare(
        machine,
        extent,
        {name: trained(name, extent.n_training) for name in extent.digits},
        background,
        images,
    )


def explain_large(machine: Machine, extent: Extent) -> None:
    """Networks of torchvision at 224 px, one output."""
    background = pictures(extent.n_background, extent.side)
    networks = {name: seeded(name, 1) for name in extent.large}
    _compare(machine, extent, networks, background, pictures(2, extent.side))


def _compare(
    machine: Machine,
    extent: Extent,
    networks: dict[str, nn.Module],
    background: Tensor,
    images: Tensor,
) -> None:
    """Print a row for each network; dashes where shap or captum fails or has too little memory."""
    print("| network | difference from the CPU | ours, ms per image | peak GiB | shap | captum |")
    print("|" + " --- |" * 6, flush=True)
    few = background[:N_COMPARED]
    for name, network in networks.items():
        expected = DeepShap(network, few).attribute(images[:1])
        on_device, near = network.to(machine.device), background.to(machine.device)
        x = images.to(machine.device)
        found = DeepShap(on_device, few.to(machine.device)).attribute(x[:1]).cpu()
        difference = float((found - expected).abs().max() / expected.abs().max())
        explainer = DeepShap(on_device, near)
        peak = machine.peak_gib(partial(explainer.attribute, x))
        ours = machine.milliseconds(partial(explainer.attribute, x), extent.rounds) / len(x)
        plain = not_in_place(on_device)
        others = [
            _attempted(machine, partial(by, plain, x[:1], near), extent.rounds)
            for by in (by_shap, by_captum)
        ]
        print(f"| {name} | {difference:.1e} | {ours:.1f} | {peak:.2f} | {' | '.join(others)} |")
        sys.stdout.flush()


def _attempted(machine: Machine, run: Callable[[], object], rounds: int) -> str:
    try:
        return f"{machine.milliseconds(run, rounds):.0f}"
    except (RuntimeError, AssertionError) as error:  # a module used twice, memory, other operations
        return f"– ({type(error).__name__})"


def train(machine: Machine, extent: Extent) -> None:
    """A training step of 128 images, beside the usual loop."""
    with tempfile.TemporaryDirectory() as scratch:
        root = mnist_folder(Path(scratch))
        for architecture in ("lenet", "convnet"):
            took = {}
            for name in LOOPS:
                if name == "usual":
                    run = usual_loop(root, architecture, machine.device)
                else:
                    run = our_loop(root, architecture, name, machine.device)
                each = machine.milliseconds(partial(run, extent.steps), extent.rounds)
                took[name] = each / extent.steps
            line = ", ".join(f"{name} {each:.2f} ms" for name, each in took.items())
            print(f"{architecture}: {line}", flush=True)


def find_time(machine: Machine, extent: Extent) -> None:
    """Where the time of explaining goes."""
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * machine.is_gpu
    network = trained(extent.digits[-1], extent.n_training)
    small = (network, mnist("train", extent.n_background), mnist("t10k", 2))
    side = extent.side
    large = (seeded(extent.large[0], 1), pictures(extent.n_background, side), pictures(2, side))
    for network, background, images in (small, large):
        explainer = DeepShap(network.to(machine.device), background.to(machine.device))
        x = images.to(machine.device)
        explainer.attribute(x)
        with profile(activities=activities) as record:
            explainer.attribute(x)
            machine.wait()
        by = "self_cuda_time_total" if machine.is_gpu else "self_cpu_time_total"
        print(record.key_averages().table(sort_by=by, row_limit=12, max_name_column_width=60))


if __name__ == "__main__":
    main()
