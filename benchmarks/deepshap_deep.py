"""Measures the engine's time and memory on deep networks of torchvision.

Usage:
    python -m benchmarks.deepshap_deep           64 px, compared with shap
    python -m benchmarks.deepshap_deep --large   224 px, with the peak memory of one process each

Weights and images are random with a fixed seed, since time does not depend on them. The networks
are unmodified for the engine. shap gets copies without in-place operations, which it cannot run.
"""

import argparse
import copy
import itertools
import statistics
import subprocess
import sys
import warnings

import torch
import torchvision
from torch import Tensor, nn

from benchmarks.deepshap import by_shap, peak_mb, seconds
from deepshap import DeepShap

DEEP = ["vgg11_bn", "mnasnet0_5", "regnet_x_400mf", "resnet18"]
N_OUTPUTS = 4
LARGE = {"resnet50": 100, "vit_b_16": 20}
"""Numbers of background images."""
SLICE = 8
"""Images that the pipeline passes in one call; they share what the engine computes again."""


def seeded(name: str, n_outputs: int) -> nn.Module:
    """A network in eval mode with the weights of seed 0."""
    torch.manual_seed(0)
    network: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=n_outputs)
    return network.eval()


def pictures(n: int, side_px: int) -> Tensor:
    """Noise, (n, 3, side, side)."""
    return torch.rand(n, 3, side_px, side_px, generator=torch.Generator().manual_seed(n))


def not_in_place(network: nn.Module) -> nn.Module:
    """A copy without in-place activations."""
    network = copy.deepcopy(network)
    for module in network.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    return network


def compare(names: list[str], rounds: int, n_images: int, n_background: int) -> None:
    """Print a row of the comparison with shap for each network."""
    print(f"64 px, {n_background} background images, {N_OUTPUTS} outputs;", end=" ")
    print(f"median of {rounds} rounds, {torch.get_num_threads()} threads")
    print("| network | engine, ms per image | shap | shap / engine |\n|" + " --- |" * 4)
    background, images = pictures(n_background, 64), pictures(n_images, 64)
    for name in names:
        network = seeded(name, N_OUTPUTS)
        explainer, plain = DeepShap(network, background), not_in_place(network)
        took: dict[str, list[float]] = {"engine": [], "shap": []}
        explainer.attribute(images[:1])  # the first call warms up
        for at in range(rounds):
            took["engine"].append(seconds(explainer.attribute, images) / n_images)
            try:
                one = images[at % n_images][None]
                took["shap"].append(seconds(by_shap, plain, one, background))
            except RuntimeError:  # shap fails on modules that are used twice
                took["shap"].append(float("nan"))
        engine, theirs = (1000 * statistics.median(times) for times in took.values())
        print(f"| {name} | {engine:.0f} | {theirs:.0f} | {theirs / engine:.1f} |", flush=True)


def measure(name: str, n_images: int) -> None:
    """Explain one output of 224 px images, and print this process's time and peak memory."""
    network, n_background = seeded(name, 1000), LARGE[name]
    explainers: list[DeepShap] = []
    start = seconds(lambda: explainers.append(DeepShap(network, pictures(n_background, 224))))
    took = seconds(explainers[0].attribute, pictures(n_images, 224), [0]) / n_images
    print(
        f"| {name} | {n_background} | {n_images} | {start:.0f} | {took:.1f} "
        f"| {took / n_background:.2f} | {peak_mb() * 1000 / 2**20:.2f} |",
        flush=True,
    )


def main() -> None:
    """Read the options and run the benchmark they select."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=DEEP, default=DEEP)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--background", type=int, default=20)
    parser.add_argument("--large", action="store_true", help="memory at 224 px")
    parser.add_argument("--measure", choices=LARGE, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # shap warns about its hooks
    if options.measure:
        measure(options.measure, options.images)
    elif options.large:
        print("| network | background images | images | s to set up", end=" | ")
        print("s per image | s per pair | peak GiB |\n|" + " --- |" * 7, flush=True)
        for name, n_images in itertools.product(LARGE, ("1", str(SLICE))):
            command = [sys.executable, "-m", "benchmarks.deepshap_deep", "--measure", name]
            subprocess.run([*command, "--images", n_images], check=True)
    else:
        compare(options.networks, options.rounds, options.images, options.background)


if __name__ == "__main__":
    main()
