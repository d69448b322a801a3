"""Time an epoch of training against the usual loop: `python -m benchmarks.train`.

The usual loop is what tutorials show: torchvision's MNIST with ToTensor and Normalize, a
DataLoader, and the same network, batch size and optimiser in float32. Both run in turn, several
times, in one process; the ratio of the medians is what counts, since machines are noisy.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
from tqdm import tqdm

from stages.datasets import mnist
from stages.pipeline.dataset import Origin
from stages.pipeline.network import build_network
from stages.pipeline.splits import Facts, Split
from stages.train import Labelled, train_epoch

MEAN, STD = 0.1307, 0.3081
FACTS = Facts("mnist", tuple("0123456789"), 1, (28, 28), (MEAN,), (STD,))
BATCH_SIZE = 128


def usual_step(
    network: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterator[tuple[Tensor, Tensor]]
) -> None:
    """One step as tutorials write it."""
    images, labels = next(batches)
    optimizer.zero_grad()
    loss = cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
    loss.item()  # for the running loss that they print


def usual_loop(root: Path, architecture: str) -> Callable[[int], None]:
    """Prepare the usual loop; the result takes so many steps."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])
    dataset = datasets.MNIST(str(root), train=True, transform=transform)
    loader = DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True)
    network = build_network(architecture, FACTS)[1].train()  # without our first layer
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)

    def run(n_steps: int) -> None:
        batches = iter(loader)
        for _ in range(n_steps):
            usual_step(network, optimizer, batches)

    return run


def our_loop(split: Split, architecture: str, precision: str) -> Callable[[int], None]:
    """Prepare the loop of the train stage; the result takes so many steps."""
    network = build_network(architecture, FACTS).to(memory_format=torch.channels_last)
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, 1e-3)
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1, total_iters=0)
    train = Labelled.of(split, torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)

    def run(n_steps: int) -> None:
        batches = itertools.islice(train.shuffled_batches(BATCH_SIZE, [], generator), n_steps)
        with tqdm(disable=True) as progress:
            train_epoch(network, batches, optimizer, schedule, precision, progress)

    return run


def main() -> None:
    """Print milliseconds a step and the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each loop")
    parser.add_argument("--steps", type=int, default=60, help="optimiser steps in one measurement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch) / "MNIST/raw"
        raw.mkdir(parents=True)
        mnist.fetch(Origin(Path("data/embedded")), raw)
        images, labels = mnist.read(raw).train
        split = Split(np.array(images), labels)
        print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, batch {BATCH_SIZE}")
        for architecture in ("lenet", "convnet"):
            loops = {
                "usual": usual_loop(Path(scratch), architecture),
                "float32": our_loop(split, architecture, "float32"),
                "bfloat16": our_loop(split, architecture, "bfloat16"),
            }
            report(architecture, measure(loops, options.rounds, options.steps))


def measure(
    loops: dict[str, Callable[[int], None]], rounds: int, steps: int
) -> dict[str, list[float]]:
    """Time the loops in turn: milliseconds a step, by loop; the first round only warms up."""
    times: dict[str, list[float]] = {name: [] for name in loops}
    for round_ in tqdm(range(rounds + 1), desc="rounds", leave=False):
        for name, run in loops.items():
            start = time.perf_counter()
            run(steps)
            if round_ > 0:
                times[name].append((time.perf_counter() - start) / steps * 1e3)
    return times


def report(architecture: str, times: dict[str, list[float]]) -> None:
    """Print one network's rows."""
    usual = statistics.median(times["usual"])
    for name, values in times.items():
        median = statistics.median(values)
        print(
            f"{architecture:8} {name:9} {median:6.2f} ms a step "
            f"({min(values):.2f} … {max(values):.2f})  usual / this = {usual / median:.2f}"
        )


if __name__ == "__main__":
    main()
