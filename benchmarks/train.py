"""Compares the time of training with the usual loop: `python -m benchmarks.train`.

The usual loop is that of tutorials: torchvision's MNIST with ToTensor and Normalize, a DataLoader,
and the same network, batch size and optimiser in float32. Each loop runs in its own process,
because ours tunes the allocator. They are measured alternately, several times. Machines are noisy,
so compare the ratios of the medians.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torchvision import datasets, transforms
from tqdm import tqdm

from stages.artifacts.splits import DatasetInfo, Split
from stages.datasets import mnist
from stages.datasets.base.contract import Origin
from stages.networks.build import build_network
from stages.networks.device import configure_process_for
from stages.params.train import Train
from stages.training.fitting import Training, shuffled_batches, to_device, train_epoch

MEAN, STD = 0.1307, 0.3081
INFO = DatasetInfo("mnist", tuple("0123456789"), 1, (28, 28), (MEAN,), (STD,), parameters={})
BATCH_SIZE = 128
LOOPS = ("usual", "float32", "bfloat16")  # our loops are named by their precision
CPU = torch.device("cpu")


def usual_step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterator[tuple[Tensor, Tensor]],
    device: torch.device,
) -> None:
    """One training step as tutorials write it."""
    images, labels = (tensor.to(device) for tensor in next(batches))
    optimizer.zero_grad()
    loss = cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
    loss.item()  # for the running loss that tutorials print


def usual_loop(root: Path, architecture: str, device: torch.device = CPU) -> Callable[[int], None]:
    """The usual loop, as a function of the number of steps."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))])
    dataset = datasets.MNIST(str(root), train=True, transform=transform)
    loader = DataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True)
    network = build_network(architecture, INFO, {})[1]  # without our first layer
    network.to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)

    def run(n_steps: int) -> None:
        batches = iter(loader)
        for _ in range(n_steps):
            usual_step(network, optimizer, batches, device)

    return run


def our_loop(
    root: Path, architecture: str, precision: str, device: torch.device = CPU
) -> Callable[[int], None]:
    """The loop of the train stage, as a function of the number of steps."""
    configure_process_for(device)
    images, labels, *_ = mnist.read(root / "MNIST/raw").train
    train = to_device(Split(np.array(images), labels), device)
    network = build_network(architecture, INFO, {}).to(device)
    network.to(memory_format=torch.channels_last)
    chosen = Train.model_construct(
        epochs=1,
        batch_size=BATCH_SIZE,
        optimizer="adam",
        learning_rate=1e-3,
        head_learning_rate=None,
        weight_decay=0.0,
        schedule="constant",
        precision=precision,
        freeze=[],
    )
    training = Training(network, chosen, len(labels), seed=0)
    network.train()

    def run(n_steps: int) -> None:
        batches = shuffled_batches(train, BATCH_SIZE, [], training.generator)
        train_epoch(network, itertools.islice(batches, n_steps), training)

    return run


def mnist_folder(root: Path) -> Path:
    """The folder, with MNIST as torchvision expects it."""
    raw = root / "MNIST/raw"
    raw.mkdir(parents=True)
    mnist.fetch(Origin(Path("data/embedded")), raw)
    return root


class Worker:
    """A process that runs one loop and measures its time."""

    _run: Callable[[int], None]  # set in the worker process only

    def __init__(self, name: str, root: Path, architecture: str) -> None:
        self._pool = ProcessPoolExecutor(
            1, get_context("spawn"), initializer=self._prepare, initargs=(name, root, architecture)
        )

    @classmethod
    def _prepare(cls, name: str, root: Path, architecture: str) -> None:
        usual = name == "usual"
        cls._run = staticmethod(
            usual_loop(root, architecture) if usual else our_loop(root, architecture, name)
        )

    @classmethod
    def _timed(cls, n_steps: int) -> float:
        start = time.perf_counter()
        cls._run(n_steps)
        return (time.perf_counter() - start) / n_steps * 1e3

    def milliseconds_per_step(self, n_steps: int) -> float:
        """The mean time of one step, over a number of steps."""
        return self._pool.submit(self._timed, n_steps).result()

    def stop(self) -> None:
        """End the process."""
        self._pool.shutdown()


def main() -> None:
    """Print milliseconds per step and the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each loop")
    parser.add_argument("--steps", type=int, default=60, help="optimiser steps per measurement")
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, batch {BATCH_SIZE}")
    with tempfile.TemporaryDirectory() as scratch:
        root = mnist_folder(Path(scratch))
        for architecture in ("lenet", "convnet"):
            workers = {name: Worker(name, root, architecture) for name in LOOPS}
            report(architecture, measure(workers, options.rounds, options.steps))
            for worker in workers.values():
                worker.stop()


def measure(workers: dict[str, Worker], rounds: int, steps: int) -> dict[str, list[float]]:
    """Milliseconds per step of each loop, measured alternately; the first round is a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in workers}
    for round_ in tqdm(range(rounds + 1), desc="rounds", leave=False, disable=None):
        for name, worker in workers.items():
            milliseconds = worker.milliseconds_per_step(steps)
            if round_ > 0:
                times[name].append(milliseconds)
    return times


def report(architecture: str, times: dict[str, list[float]]) -> None:
    """Print the lines of one network."""
    usual = statistics.median(times["usual"])
    for name, values in times.items():
        median = statistics.median(values)
        print(
            f"{architecture:8} {name:9} {median:6.2f} ms per step "
            f"({min(values):.2f} … {max(values):.2f})  usual / this = {usual / median:.2f}"
        )


if __name__ == "__main__":
    main()
