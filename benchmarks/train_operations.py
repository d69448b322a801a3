"""Where a training step takes its time, and the least it needs: `-m benchmarks.train_operations`.

Profiles our loop in float32 on one core. The shortest step that multiplying directly allows is one
whose convolutions and linear layers run at the rate of a large matrix product while all else is
free.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.deepshap import GIGA, matrix_rate
from benchmarks.train import mnist_folder, our_loop, usual_loop

STEPS = 60
LEAST_SHARE = 0.01  # of a step; what takes less is added up
MULTIPLY = ("aten::mkldnn_convolution", "aten::convolution_backward", "aten::mm", "aten::addmm")


def main() -> None:
    """Print a table for each network."""
    torch.set_num_threads(1)
    rate = matrix_rate()
    print(f"torch {torch.__version__}, one core; a matrix product: {rate / GIGA:.0f} GFLOP/s")
    with tempfile.TemporaryDirectory() as scratch:
        root = mnist_folder(Path(scratch))
        for architecture in ("lenet", "convnet"):
            table(root, architecture, rate)


def table(root: Path, architecture: str, rate: float) -> None:
    """Print the operations of a network's step, and the least time of one."""
    usual, ours = usual_loop(root, architecture), our_loop(root, architecture, "float32")
    usual_ms, ms = milliseconds(usual), milliseconds(ours)
    with FlopCounterMode(display=False) as counter:
        ours(1)
    least = 1e3 * counter.get_total_flops() / rate
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiled:
        ours(STEPS)
    events = profiled.key_averages(group_by_input_shape=True)
    whole = sum(event.self_cpu_time_total for event in events)
    print(f"\n{architecture}: {ms:.1f} ms a step, the usual loop {usual_ms:.1f}")
    print("| operation | tensors | share of the step |\n| --- | --- | --- |")
    shown, multiplying = 0.0, 0.0
    for event in sorted(events, key=lambda event: -event.self_cpu_time_total):
        share = event.self_cpu_time_total / whole
        multiplying += share if event.key in MULTIPLY else 0
        if share >= LEAST_SHARE:
            shown += share
            tensors = ", ".join("×".join(map(str, side)) for side in event.input_shapes[:3] if side)
            print(f"| {event.key.removeprefix('aten::')} | {tensors} | {share:.0%} |")
    print(f"| everything else | | {1 - shown:.0%} |")
    print(
        f"multiplying takes {multiplying:.0%}, at {least / ms / multiplying:.0%} of the matrix "
        f"rate; at all of it, and with all else free: {least:.1f} ms, {usual_ms / least:.1f} times "
        "as fast as the usual loop"
    )


def milliseconds(loop: Callable[[int], None]) -> float:
    """CPU time of a step, the least of three runs."""
    loop(STEPS // 4)
    took = []
    for _ in range(3):
        start = time.process_time()
        loop(STEPS)
        took.append(1e3 * (time.process_time() - start) / STEPS)
    return min(took)


if __name__ == "__main__":
    main()
