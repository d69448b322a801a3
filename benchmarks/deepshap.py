"""Compares the engine's time with shap's and captum's, and measures how time and memory grow.

Usage:
    python -m benchmarks.deepshap                engine, shap and captum on four networks
    python -m benchmarks.deepshap --growth       engine on lenet, by images and background images
    python -m benchmarks.deepshap --test-set     engine on the whole MNIST test set, to disk

The images are MNIST. The networks are trained on it briefly, because time depends on how many
activations are 0.
"""

from __future__ import annotations

import argparse
import lzma
import resource
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor, nn
from tqdm import tqdm

from deepshap import DeepShap
from stages.architectures import convnet, lenet, vit

MNIST = Path("data/embedded/mnist")
IMAGE = (1, 28, 28)
N_CLASSES = 10
GIGA = 1e9


class Residual(nn.Module):
    """A residual block with batch norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels)
        # Two modules, because shap and captum do not accept a module that is used twice.
        self.first_relu, self.second_relu = nn.ReLU(), nn.ReLU()

    def forward(self, planes: Tensor) -> Tensor:
        """Two convolutions of the planes, added to the planes."""
        inner = self.first_relu(self.first_norm(self.first(planes)))
        return self.second_relu(self.second_norm(self.second(inner)) + planes)


def fully_connected() -> nn.Module:
    """One convolution and a wide linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 13 * 13, 256),
        nn.ReLU(),
        nn.Linear(256, N_CLASSES),
    )


def residual() -> nn.Module:
    """Two residual blocks behind a convolution and a pool."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        Residual(16),
        Residual(16),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, N_CLASSES),
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "lenet": lambda: lenet.build(1, IMAGE[1:], N_CLASSES),
    "convnet": lambda: convnet.build(1, IMAGE[1:], N_CLASSES),
    "conv32-pool-fc256": fully_connected,
    "residual": residual,
    "digits_vit": lambda: vit.build(1, IMAGE[1:], N_CLASSES),
}
COMPARED = [
    name for name in NETWORKS if name != "digits_vit"
]  # the values of shap are not additive for it


def trained(name: str, n_images: int = 25_600) -> nn.Module:
    """A network in eval mode, trained on images of MNIST."""
    torch.manual_seed(0)
    network = NETWORKS[name]()
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    images, labels = mnist("train", n_images), torch.from_numpy(mnist_labels("train", n_images))
    batches = list(zip(images.split(128), labels.split(128), strict=True))
    for batch, expected in tqdm(batches, desc=f"training {name}", leave=False):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(batch), expected).backward()
        optimiser.step()
    return network.eval()


def mnist_labels(name: str, n: int) -> np.ndarray:
    """The classes of the first n images of an archive, (n,)."""
    content = lzma.decompress((MNIST / f"{name}-labels-idx1-ubyte.xz").read_bytes())
    return np.frombuffer(content, np.uint8, offset=8)[:n].astype(np.int64)


def mnist(name: str, n: int) -> Tensor:
    """The first n images of an archive, in [0, 1], (n, 1, 28, 28)."""
    content = lzma.decompress((MNIST / f"{name}-images-idx3-ubyte.xz").read_bytes())
    pixels = np.frombuffer(content, np.uint8, offset=16).reshape(-1, *IMAGE)
    return torch.from_numpy(pixels[:n].astype(np.float32) / 255)


def peak_mb() -> float:
    """Peak memory of this process since `reset_peak`, or since its start, in MB."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) / 1000


def reset_peak() -> None:
    """Restart the measurement of peak memory, where the system supports it (Linux)."""
    refs = Path("/proc/self/clear_refs")
    if refs.exists():
        refs.write_text("5")


def matrix_rate(size: int = 2048, repeats: int = 5) -> float:
    """Floating-point operations per second of a float32 matrix product, the median of repeats."""
    a, b = torch.rand(2, size, size)
    return statistics.median(2 * size**3 / seconds(torch.matmul, a, b) for _ in range(repeats))


def seconds(run: Callable[..., object], *args: object) -> float:
    """Duration of a call."""
    start = time.perf_counter()
    run(*args)
    return time.perf_counter() - start


def by_shap(network: nn.Module, images: Tensor, background: Tensor) -> np.ndarray:
    """Values of shap.DeepExplainer."""
    import shap

    values: np.ndarray = shap.DeepExplainer(network, background).shap_values(
        images, check_additivity=False
    )
    return values


def by_captum(network: nn.Module, images: Tensor, background: Tensor) -> np.ndarray:
    """Values of captum's DeepLiftShap, output by output."""
    from captum.attr import DeepLiftShap

    explainer = DeepLiftShap(network)
    with torch.no_grad():
        n_outputs = network(images).shape[1]
    values = [explainer.attribute(images, background, target=k) for k in range(n_outputs)]
    return torch.stack(values, -1).detach().cpu().numpy()


def compare(names: list[str], rounds: int, n_images: int, n_background: int) -> None:
    """Print a row of the comparison for each network."""
    rate = matrix_rate()
    print(f"float32 matrix product: {rate / GIGA:.0f} GFLOP/s on {torch.get_num_threads()} threads")
    print("milliseconds per image, median of", rounds, "rounds;", n_background, "background images")
    print(
        "| network | engine | shap | captum | shap / engine | captum / engine "
        "| largest difference | peak MB, engine | shap |\n|" + " --- |" * 9
    )
    background, images = mnist("train", n_background), mnist("t10k", n_images)
    for name in names:
        network = trained(name)
        reset_peak()
        explainer = DeepShap(network, background)
        took: dict[str, list[float]] = {"engine": [], "shap": [], "captum": []}
        values = explainer.attribute(images)
        peak = peak_mb()
        reset_peak()
        reference = by_shap(network, images[:1], background)
        shap_peak = peak_mb()
        largest = float(np.abs(reference).max())
        difference = float(np.abs(values[:1].numpy() - reference).max()) / largest
        for at in tqdm(range(rounds), desc=name, leave=False):
            one = images[at % n_images][None]
            took["engine"].append(seconds(explainer.attribute, images) / n_images)
            took["shap"].append(seconds(by_shap, network, one, background))
            took["captum"].append(seconds(by_captum, network, one, background))
        ms = {method: 1000 * statistics.median(times) for method, times in took.items()}
        print(
            f"| {name} | {ms['engine']:.1f} | {ms['shap']:.0f} | {ms['captum']:.0f} "
            f"| {ms['shap'] / ms['engine']:.1f} | {ms['captum'] / ms['engine']:.1f} "
            f"| {difference:.1e} | {peak:.0f} | {shap_peak:.0f} |",
            flush=True,
        )


def grow(sizes: list[int]) -> None:
    """Print how time and memory for lenet grow with the images and the background."""
    network = trained("lenet")
    pairs, times, peaks = [], [], []
    DeepShap(network, mnist("train", 10)).attribute(mnist("t10k", 1))  # the first call warms up
    print("| images | background images | s | ms / pair | peak MB |\n|" + " --- |" * 5)
    for n in sizes:
        for b in sizes:
            reset_peak()
            explainer = DeepShap(network, mnist("train", b))
            images = mnist("t10k", n)
            took = 0.0
            for ten in tqdm(images.split(10), desc=f"{n} x {b}", leave=False):
                took += seconds(explainer.attribute, ten)
            pairs.append(n * b)
            times.append(took)
            peaks.append(peak_mb())
            per_pair = 1000 * took / pairs[-1]
            print(f"| {n} | {b} | {took:.1f} | {per_pair:.3f} | {peaks[-1]:.0f} |", flush=True)
    many = [
        at for at, count in enumerate(pairs) if 100 * count >= max(pairs)
    ]  # where overheads are small
    exponent = power([pairs[at] for at in many], [times[at] for at in many])
    print(
        f"From {pairs[many[0]]:,} pairs to {max(pairs):,}, time grows as pairs to the power of "
        f"{exponent:.2f}; from {min(pairs):,}, peak memory grows {max(peaks) / peaks[0]:.2f} times"
    )


def power(sizes: list[int], times: list[float]) -> float:
    """The exponent p of time = constant * size^p, by least squares on logarithms."""
    if len(set(sizes)) == 1:
        return float("nan")
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def explain_test_set(out: Path, n_images: int, n_background: int) -> None:
    """Explain the MNIST test set with convnet, writing the values as they are computed."""
    images = mnist("t10k", n_images)
    network = trained("convnet")
    reset_peak()  # training has its own
    explainer = DeepShap(network, mnist("train", n_background))
    path = out / "values.npy"
    shape = (len(images), *IMAGE, N_CLASSES)
    values = open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    start = time.perf_counter()
    with tqdm(total=len(images), unit="image") as progress:
        for at in range(0, len(images), 20):
            batch = images[at : at + 20]
            values[at : at + 20] = explainer.attribute(batch).numpy()
            progress.update(len(batch))
    values.flush()
    print(
        f"{len(images)} images, {N_CLASSES} outputs, {n_background} background images: "
        f"{time.perf_counter() - start:.0f} s, peak {peak_mb():.0f} MB, "
        f"{path.stat().st_size / 1e6:.0f} MB on disk"
    )


def main() -> None:
    """Read the options and run the benchmark they select."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--growth", action="store_true", help="time over images and background")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--test-set", action="store_true", help="the whole MNIST test set")
    parser.add_argument(
        "--out", type=Path, help="folder for its values; a temporary one by default"
    )
    parser.add_argument("--networks", nargs="+", choices=COMPARED, default=COMPARED)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, help="default 32, with --test-set 10000")
    parser.add_argument("--background", type=int, default=100)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # shap and captum warn about their hooks
    if options.growth:
        grow(options.sizes)
    elif options.test_set:
        with tempfile.TemporaryDirectory() as temporary:
            out = options.out or Path(temporary)
            explain_test_set(out, options.images or 10_000, options.background)
    else:
        compare(options.networks, options.rounds, options.images or 32, options.background)


if __name__ == "__main__":
    main()
