"""Measures the engine's time by operation, and the share of the peak rate that each reaches.

Usage:
    python -m benchmarks.operations [--networks lenet ...]

It uses one core, trained networks, ten outputs and 100 background images. It counts the
multiplications of nonzero numbers in convolutions and matrix products. The peak is the best rate of
the engine's inner loop with its data in the nearest cache.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from benchmarks.deepshap import GIGA, N_CLASSES, NETWORKS, mnist, seconds, trained
from deepshap import DeepShap, kernels
from deepshap.multiplier import Multiplier
from deepshap.rules.base import Rule
from deepshap.rules.bilinear import MatrixProduct
from deepshap.rules.composition import Composed
from deepshap.rules.linear import Convolution, Dense

N_IMAGES = 16


def peak_rate() -> float:
    """Floating-point operations per second of the inner loop alone, on one core."""
    read, written, pairs = 128, 2048, 8
    multiplier = Multiplier(
        torch.rand(1, N_CLASSES, read, 1, 1), torch.rand(pairs, 1, read, 1, 1) + 1
    )
    weight = kernels.Weight(torch.rand(read, written, 1, 1))
    settings = multiplier, weight, (1, 1), (0, 0), (1, 1)
    if kernels.transposed(*settings) is None:
        raise SystemExit("numba is missing: python -m pip install numba")
    best = min(seconds(kernels.transposed, *settings) for _ in range(50))
    return 2 * pairs * N_CLASSES * read * written / best


def necessary(rule: Rule, multiplier: Multiplier, changed: Tensor | None = None) -> int:
    """Multiplications of nonzero numbers in the backward pass of a linear rule.

    `changed` says where the input's multiplier is needed, (p, h, w).
    """
    p, k = multiplier.rows.shape[:2]
    ratio = multiplier.ratio
    ratio = torch.ones(p, 1, *multiplier.rows.shape[2:]) if ratio is None else ratio
    counted = Multiplier(torch.ones(1, 1, *multiplier.rows.shape[2:]), (ratio != 0).float())
    mask = Multiplier(counted.rows, counted.ratio, multiplier.positions).dense()
    if isinstance(rule, Convolution):
        planes = torch.ones(1, *rule.call.inputs[0][-2:]) if changed is None else changed.float()
        kernel = rule.weight.shape[2:]
        taps = torch.conv2d(  # the number of taps inside the input, by output position
            planes[:, None],
            torch.ones(1, 1, *kernel),
            None,
            rule.stride,
            rule.padding,
        )
        return int((mask * taps[:, None]).sum()) * rule.weight.shape[1] * k
    if isinstance(rule, Composed):
        if changed is not None:
            channels = rule.call.inputs[0].numel() // changed[0].numel()
            positions = changed.flatten(1).sum(1) * channels
            return int((mask.flatten(1).sum(1) * positions).sum()) * k
        return int(mask.sum()) * rule.call.inputs[0].numel() * k
    if isinstance(rule, Dense):
        return int(mask.sum()) * rule.weight.shape[1] * k
    if isinstance(rule, MatrixProduct):  # one product per factor
        return 2 * int(mask.sum()) * rule.call.inputs[0][-1] * k
    return 0


class Stopwatch:
    """Times calls by name, and counts the multiplications that they need."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.multiplications: dict[str, int] = defaultdict(int)
        self._is_running = False

    def around(self, call: Callable[..., Any], name: str, rule: Rule | None) -> Callable[..., Any]:
        """The call, timed. With a rule, its first argument is a multiplier.

        A call inside another one is part of it.
        """

        def timed(*arguments: Any) -> Any:
            if self._is_running:
                return call(*arguments)
            if rule is not None:
                last = arguments[-1]  # says where it is needed, in methods that can skip the rest
                is_where = isinstance(last, Tensor) and last.dtype == torch.bool
                changed = last if is_where else None
                self.multiplications[name] += necessary(rule, arguments[0], changed)
            self._is_running, start = True, time.perf_counter()
            result = call(*arguments)
            self.seconds[name] += time.perf_counter() - start
            self._is_running = False
            return result

        return timed


@contextmanager
def watched(explainer: DeepShap) -> Iterator[Stopwatch]:
    """Time an explainer's steps."""
    watch = Stopwatch()
    program, first = explainer._program, explainer._first
    program.run = watch.around(program.run, "forward", None)
    for at, (node, step) in enumerate(program.steps.items()):
        sides = " ".join("x".join(map(str, shape[1:])) for shape in step.rule.call.inputs)
        name = f"{at}. {step.rule.call.name} {sides}"
        owner: Any = first.get(node, step.rule)
        for method in ("attributions", "backward", "backward_onto", "backward_where"):
            if hasattr(owner, method):
                wrapped = watch.around(getattr(owner, method), name, step.rule)
                object.__setattr__(owner, method, wrapped)  # some owners are frozen dataclasses
    yield watch


def table(name: str, peak: float, product: float, n_threads: int) -> None:
    """Print the time of each operation of a network.

    Args:
        name: Name of the network.
        peak: Floating-point operations per second of the inner loop on one core.
        product: Floating-point operations per second of a matrix product on one core.
        n_threads: Number of threads for the time on all cores.
    """
    explainer = DeepShap(trained(name), mnist("train", 100))
    images = mnist("t10k", N_IMAGES)
    explainer.attribute(images[:2])  # the first call warms up
    whole = min(seconds(explainer.attribute, images) for _ in range(5)) / N_IMAGES
    torch.set_num_threads(n_threads)
    on_all = min(seconds(explainer.attribute, images) for _ in range(5)) / N_IMAGES
    torch.set_num_threads(1)
    with watched(explainer) as watch:
        explainer.attribute(images)
    count = sum(watch.multiplications.values()) / N_IMAGES
    rate = 2 * count / whole
    print(f"\n{name}: {1000 * on_all:.1f} ms per image on {n_threads} cores,")
    print(
        f"{1000 * whole:.1f} on one: {count / 1e6:.0f} million multiplications of nonzero numbers,"
    )
    print(f"{rate / peak:.0%} of the peak, {rate / product:.0%} of a matrix product")
    print("| operation | ms per image | share of the time | of the peak |\n|" + " --- |" * 4)
    rest = whole
    for operation, took in sorted(watch.seconds.items(), key=lambda item: -item[1]):
        ms = 1000 * took / N_IMAGES
        rest -= took / N_IMAGES
        rate = 2 * watch.multiplications[operation] / took / peak
        reached = f"{rate:.0%}" if watch.multiplications[operation] else ""
        print(f"| {operation} | {ms:.2f} | {ms / 1000 / whole:.0%} | {reached} |")
    print(f"| everything else | {1000 * rest:.2f} | {rest / whole:.0%} | |", flush=True)


def main() -> None:
    """Print the tables of the networks that the options name."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    options = parser.parse_args()
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    peak = peak_rate()
    matrix: Tensor = torch.rand(2048, 2048)
    product = 2 * 2048**3 / min(seconds(torch.matmul, matrix, matrix) for _ in range(5))
    print(f"one core's inner loop: {peak / GIGA:.0f} GFLOP/s; matrix product {product / GIGA:.0f}")
    for name in options.networks:
        table(name, peak, product, n_threads)


if __name__ == "__main__":
    main()
