"""Time and memory of our DeepSHAP on deep networks of torchvision.

Usage:
    python -m benchmarks.deepshap_deep           64 px beside shap
    python -m benchmarks.deepshap_deep --large   224 px: peak memory of a process of its own each

Weights and images are random, with a fixed seed: time does not depend on them. The networks are as
torchvision builds them. Shap alone gets a copy that computes nothing in place, since it cannot run
otherwise.
"""

import argparse
import copy
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


def seeded(name: str, n_outputs: int) -> nn.Module:
    """A network with the weights of seed 0, in eval mode."""
    torch.manual_seed(0)
    network: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=n_outputs)
    return network.eval()


def pictures(n: int, side_px: int) -> Tensor:
    """Noise, (n, 3, side, side)."""
    return torch.rand(n, 3, side_px, side_px, generator=torch.Generator().manual_seed(n))


def not_in_place(network: nn.Module) -> nn.Module:
    """A copy whose activations write to new memory."""
    network = copy.deepcopy(network)
    for module in network.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    return network


def compare(names: list[str], rounds: int, n_images: int, n_background: int) -> None:
    """Print the comparison with shap, network by network."""
    print(f"64 px, {n_background} background images, {N_OUTPUTS} outputs;", end=" ")
    print(f"median of {rounds} rounds, {torch.get_num_threads()} threads")
    print("| network | ours, ms an image | shap | shap / ours |\n|" + " --- |" * 4)
    background, images = pictures(n_background, 64), pictures(n_images, 64)
    for name in names:
        network = seeded(name, N_OUTPUTS)
        explainer, plain = DeepShap(network, background), not_in_place(network)
        took: dict[str, list[float]] = {"ours": [], "shap": []}
        explainer.attribute(images[:1])  # the first call warms up
        for at in range(rounds):
            took["ours"].append(seconds(explainer.attribute, images) / n_images)
            try:
                one = images[at % n_images][None]
                took["shap"].append(seconds(by_shap, plain, one, background))
            except RuntimeError:  # on modules that are used more than once
                took["shap"].append(float("nan"))
        ours, theirs = (1000 * statistics.median(times) for times in took.values())
        print(f"| {name} | {ours:.0f} | {theirs:.0f} | {theirs / ours:.1f} |", flush=True)


def measure(name: str) -> None:
    """Explain one image of 224 px, one output, and print time and peak memory of this process."""
    network, n_background = seeded(name, 1000), LARGE[name]
    explainers: list[DeepShap] = []
    start = seconds(lambda: explainers.append(DeepShap(network, pictures(n_background, 224))))
    took = seconds(explainers[0].attribute, pictures(1, 224), [0])
    print(
        f"| {name} | {n_background} | {start:.0f} | {took:.0f} | {took / n_background:.2f} "
        f"| {peak_mb() * 1000 / 2**20:.2f} |",
        flush=True,
    )


def main() -> None:
    """Read the options and run what they ask for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=DEEP, default=DEEP)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--background", type=int, default=20)
    parser.add_argument("--large", action="store_true", help="memory at 224 px")
    parser.add_argument("--measure", choices=LARGE, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of shap, about its hooks
    if options.measure:
        measure(options.measure)
    elif options.large:
        print("| network | background images | s to set up | s an image | s a pair | peak GiB |")
        print("|" + " --- |" * 6, flush=True)
        for name in LARGE:
            command = [sys.executable, "-m", "benchmarks.deepshap_deep", "--measure", name]
            subprocess.run(command, check=True)
    else:
        compare(options.networks, options.rounds, options.images, options.background)


if __name__ == "__main__":
    main()
