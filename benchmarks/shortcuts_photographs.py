"""Measures the search for a stamp in photographs: `python -m benchmarks.shortcuts_photographs`.

Pictures of five classes are crops of public sample photographs, blended with a crop of any class,
so that the class is hard to see and a mark is worth learning. A share of one class's pictures
carries a coloured stamp of an eighth of the picture's side, at a random place. The truth is the
effect of the stamp itself in pictures of other classes.

Usage:
    python -m benchmarks.shortcuts_photographs             # 64 px, three seeds each: minutes
    python -m benchmarks.shortcuts_photographs --size 96 --shares 0.2 --seeds 0
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from benchmarks.sample_crops import PHOTOGRAPHS, save_crops
from benchmarks.shortcuts import effect, run_stages, temporary_folder
from stages import download, evaluate, preprocess, shortcuts, train
from stages.artifacts.shortcuts import Shortcuts
from stages.artifacts.splits import load_names, load_split
from stages.base.files.root import ROOT
from stages.base.files.yaml import PARAMS_FILE, read_yaml
from stages.networks.checkpoint import load_checkpoint

STAMPED = "tissue"
N_TRAIN, N_TEST = 800, 300  # pictures of a class
OWN_SHARE = 0.45  # of the class's crop in a blend
STAMP_SHARE = 8  # the stamp's side is the picture's, divided by this
MAGENTA, YELLOW = (230, 30, 200), (250, 240, 40)


class Case(NamedTuple):
    """What is trained and searched: pictures of so many pixels a side."""

    size: int
    network: str
    share: float
    seed: int


def main() -> None:
    """Run the cases and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--network", default="convnet")
    parser.add_argument("--shares", nargs="+", type=float, default=[0.2, 0.0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options = parser.parse_args()
    cases = [
        Case(options.size, options.network, share, seed)
        for share in options.shares
        for seed in options.seeds
    ]
    for case in tqdm(cases, desc="cases", unit="case", leave=False, disable=None):
        print(f"{case.size} px  {case.network} {case.share:.2f} {case.seed} | {run(case)}")


def run(case: Case) -> str:
    """Train, search, compare with the truth; a line."""
    with temporary_folder():
        write_pictures(case)
        params = read_yaml(ROOT / PARAMS_FILE)
        params["seed"] = params["explain"]["seed"] = case.seed
        params["data"] |= {"dataset": "image_folder", "source": "photographs"}
        params["preprocess"]["image_size"] = case.size
        params["model"]["architecture"] = case.network
        params["train"] |= {"epochs": 8, "batch_size": 32}
        params["explain"]["n_background"] = 20
        run_stages(params, download, preprocess, train, evaluate, shortcuts)
        return judge(case, Shortcuts.load())


def judge(case: Case, found: Shortcuts) -> str:
    """Accuracy, what the stamp does, and who was found."""
    test = load_split("test")
    network = load_checkpoint(torch.device("cpu")).network.requires_grad_(False)
    label = found.class_names.index(STAMPED)
    moves, flips = effect(network, test.images[test.labels != label], with_stamps, label)
    right = (found.predicted == test.labels[found.indices]).mean()
    names = load_names("test")[found.indices]
    stamped = set(Path("stamped.txt").read_text(encoding="utf-8").split())
    carries = np.array([Path(str(name)).name in stamped for name in names])
    carries &= test.labels[found.indices] == label
    members = [own for own in found.members if carries[own].mean() >= 0.5]
    line = f"accuracy {right:.2f}; the stamp moves by {moves:.2f}, {flips:.0%} flip; "
    if members:
        everyone = np.any(members, axis=0)
        wanted = carries & (found.predicted == label)
        line += f"found, precision {carries[everyone].mean():.2f}, recall "
        line += f"{everyone[wanted].mean():.2f}; "
    return line + f"{len(found.members) - len(members)} other findings"


def write_pictures(case: Case) -> None:
    """Write the blended, stamped pictures, and the names of the stamped test pictures."""
    rng = np.random.default_rng(case.seed)
    folder = Path("photographs")
    save_crops(folder, list(PHOTOGRAPHS), N_TRAIN, N_TEST, case.seed)
    for split in ("train", "test"):
        files = {name: sorted((folder / split / name).iterdir()) for name in PHOTOGRAPHS}
        crops = {name: [_resized(file, case.size) for file in files[name]] for name in PHOTOGRAPHS}
        n_stamped = round(case.share * len(files[STAMPED]))
        stamped = rng.choice(len(files[STAMPED]), n_stamped, replace=False)
        for name in PHOTOGRAPHS:
            for number, (file, crop) in enumerate(zip(files[name], crops[name], strict=True)):
                other = crops[list(PHOTOGRAPHS)[rng.integers(len(PHOTOGRAPHS))]]
                blend = OWN_SHARE * crop + (1 - OWN_SHARE) * other[rng.integers(len(other))]
                if name == STAMPED and number in stamped:
                    blend = _with_stamp(blend, rng)
                Image.fromarray(blend.astype(np.uint8)).save(file)
        names = [files[STAMPED][number].name for number in stamped]
    Path("stamped.txt").write_text("\n".join(names), encoding="utf-8")


def with_stamps(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images (n, c, h, w), each with a stamp at a random place."""
    rng = np.random.default_rng(0)
    stamped = [_with_stamp(image.transpose(1, 2, 0), rng).transpose(2, 0, 1) for image in images]
    return np.stack(stamped)


def _with_stamp(image: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """A copy of an image (h, w, c) with a magenta square that has a yellow one in it."""
    side = len(image) // STAMP_SHARE
    top, left = rng.integers(0, len(image) - side + 1, 2)
    stamped = image.copy()
    square = stamped[top : top + side, left : left + side]
    square[:] = MAGENTA
    square[side // 4 : -(side // 4), side // 4 : -(side // 4)] = YELLOW
    return stamped


def _resized(file: Path, size: int) -> NDArray[np.float64]:
    with Image.open(file) as image:
        return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR), np.float64)


if __name__ == "__main__":
    main()
