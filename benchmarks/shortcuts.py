"""Measures what the search for shortcuts finds and invents: `python -m benchmarks.shortcuts`.

Each case trains a network through the pipeline's own stages, in a temporary folder, on data in
which a share of one class carries a mark, or on data as they are, and searches it. The truth is the
effect of the mark itself, pasted into unmarked test images of other classes: a network that ignores
the mark has no shortcut. A tag in any corner is four marks, since a network may go by one corner
alone.

Usage:
    python -m benchmarks.shortcuts                             # every case: hours
    python -m benchmarks.shortcuts --data fashion_mnist --marks tag --shares 0.2 --seeds 0
    python -m benchmarks.shortcuts --marks none --networks convnet lenet resnet
"""

import argparse
import contextlib
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from tqdm import tqdm

from stages import download, evaluate, preprocess, shortcuts, train
from stages.artifacts.shortcuts import COPIED, Shortcuts
from stages.artifacts.splits import load_split
from stages.base.files.root import ROOT
from stages.base.files.yaml import PARAMS_FILE, read_yaml
from stages.datasets import fashion_mnist, mnist
from stages.datasets.base.contract import Origin
from stages.datasets.base.marks import MarkName, marked
from stages.networks.checkpoint import load_checkpoint
from stages.networks.predict import predict
from stages.shortcut_search.pasting import log_odds

DATA = {"mnist": mnist, "fashion_mnist": fashion_mnist}
MARKS = ("none", *get_args(MarkName))
PLANTED = {"mnist": "7", "fashion_mnist": "Ankle boot"}
FROM_CORNER = 5  # pixels of a side of a corner, with the tag in it
N_TRAINING, EPOCHS = 20_000, 2
N_PASTED = 500  # test images that the truth is measured on
IS_SHORTCUT = 1  # log-odds by which a mark moves other images, if the network goes by it


class Case(NamedTuple):
    """What is trained and searched."""

    data: str
    network: str
    mark: MarkName | Literal["none"]
    share: float
    seed: int
    n_images: int


class Result(NamedTuple):
    """What came out.

    Attributes:
        accuracy: Accuracy on the test split.
        moves: Mean change of log-odds by the mark itself, in the corner where it moves most.
        flips: Share of images that become the class by it.
        found: Whether a finding of the marked class has mostly marked members.
        precision: Share of such findings' members that are marked.
        recall: Share of the images predicted as the class with a mark that the network goes by, or
            with any if it goes by none, that are members.
        alarms: Other findings whose members' pixels are alike, as those of a mark are.
        ways: Other findings: their pixels vary, so they may be ways in which a class looks.
        seconds: Time of the search, explanation included.
    """

    accuracy: float
    moves: float
    flips: float
    found: bool
    precision: float
    recall: float
    alarms: int
    ways: int
    seconds: float


def chosen_cases(about: str) -> list[Case]:
    """The cases that the command line names, each once."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--networks", nargs="+", default=["convnet"])
    parser.add_argument("--marks", nargs="+", choices=MARKS, default=list(MARKS))
    parser.add_argument("--shares", nargs="+", type=float, default=[0.05, 0.2, 0.5, 1.0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--n-images", type=int, default=2000, help="images that are searched")
    options = parser.parse_args()
    chosen = (options.data, options.networks, options.marks, options.shares, options.seeds)
    cases = (
        Case(data, network, mark, 0.0 if mark == "none" else share, seed, options.n_images)
        for data, network, mark, share, seed in itertools.product(*chosen)
    )
    return list(dict.fromkeys(cases))


def main() -> None:
    """Run the cases and print a line for each."""
    cases = chosen_cases(__doc__)
    print("data           network   mark        share seed | accuracy moves flips | found …")
    for case in tqdm(cases, desc="cases", unit="case", leave=False, disable=None):
        result = run(case)
        print(
            f"{case.data:14} {case.network:9} {case.mark:11} {case.share:5.2f} {case.seed:4} | "
            f"{result.accuracy:.3f} {result.moves:6.2f} {result.flips:5.2f} | "
            f"{'found' if result.found else '–':5} precision {result.precision:.2f} recall "
            f"{result.recall:.2f}, {result.alarms} alarms, {result.ways} ways, "
            f"{result.seconds:.0f} s",
            flush=True,
        )


def run(case: Case) -> Result:
    """Train, search, compare with the truth."""
    with temporary_folder():
        params = parameters(case)
        run_stages(params, download, preprocess, train, evaluate)
        start = time.perf_counter()
        run_stages(params, shortcuts)
        return judge(case, Shortcuts.load(), time.perf_counter() - start)


def run_stages(params: dict[str, Any], *stages: Any) -> None:
    """Run modules of `stages` here, with these parameters, and print nothing."""
    PARAMS_FILE.write_text(yaml.safe_dump(params), encoding="utf-8")
    with contextlib.redirect_stdout(None):
        for stage in stages:
            stage.main(stage.Params.model_validate(params))


def parameters(case: Case) -> dict[str, Any]:
    """All parameters of a case: the defaults, with changes."""
    params = read_yaml(ROOT / PARAMS_FILE)
    params["seed"] = params["explain"]["seed"] = case.seed
    params["data"] |= {"dataset": case.data, "source": str(ROOT / "data/embedded")}
    if case.mark != "none":
        options = {"planted": PLANTED[case.data], "mark": case.mark, "share": case.share}
        params["data"]["options"] = options
    params["preprocess"]["limit"] = N_TRAINING
    params["model"]["architecture"] = case.network
    params["train"]["epochs"] = EPOCHS
    params["shortcuts"]["n_images"] = case.n_images
    return params


def judge(case: Case, found: Shortcuts, seconds: float) -> Result:
    """Compare findings with the images that are marked, and measure what the mark does."""
    test = load_split("test")
    network = load_checkpoint(torch.device("cpu")).network.requires_grad_(False)
    logits = predict(network, torch.from_numpy(test.images).float())
    accuracy = float((logits.argmax(1).numpy() == test.labels).mean())
    is_alike = (found.findings["variation"] < COPIED).to_numpy()
    if case.mark == "none":
        n_alarms, n_ways = int(is_alike.sum()), int((~is_alike).sum())
        return Result(accuracy, 0, 0, False, np.nan, np.nan, n_alarms, n_ways, seconds)
    label = found.class_names.index(PLANTED[case.data])
    marks = marks_of(case, found.names)
    others = test.images[np.flatnonzero(test.labels != label)[:N_PASTED]]
    moves, flips = np.array([effect(network, others, mark.pasted, label) for mark in marks]).T
    is_marked = np.any([mark.carriers for mark in marks], axis=0)
    own = found.findings["class"].to_numpy() == label
    is_right = own & np.array([is_marked[members].mean() >= 0.5 for members in found.members], bool)
    members = found.members[is_right].any(axis=0)
    used = [mark.carriers for mark, by in zip(marks, moves, strict=True) if by > IS_SHORTCUT]
    wanted = np.any(used or [is_marked], axis=0) & (found.predicted == label)
    return Result(
        accuracy,
        moves.max(),
        flips.max(),
        bool(is_right.any()),
        float(is_marked[members].mean()) if members.any() else np.nan,
        float(members[wanted].mean()) if wanted.any() else np.nan,
        int((is_alike & ~is_right).sum()),
        int((~is_alike & ~is_right).sum()),
        seconds,
    )


class Mark(NamedTuple):
    """A mark: who of the searched images carries it (n,), and how it is pasted into images."""

    carriers: NDArray[np.bool_]
    pasted: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def marks_of(case: Case, names: NDArray[np.int64]) -> list[Mark]:
    """The planted mark, or those of the four corners."""
    changed = changed_pixels(case, names)
    if case.mark != "moving_tag":
        return [Mark(changed.any(axis=(1, 2)), partial(with_mark, mark=case.mark))]
    flips = list(itertools.product((1, -1), repeat=2))
    return [
        Mark(
            changed[:, ::down, ::right][:, :FROM_CORNER, :FROM_CORNER].any(axis=(1, 2)),
            partial(with_mark, mark="tag", down=down, right=right),
        )
        for down, right in flips
    ]


def with_mark(
    images: NDArray[np.uint8], *, mark: MarkName, down: int = 1, right: int = 1
) -> NDArray[np.uint8]:
    """Images (n, 1, h, w) with a mark; -1 turns it to the bottom, to the right."""
    turned = images[:, 0, ::down, ::right]
    return marked(turned, np.arange(len(images)), mark, seed=1)[:, None, ::down, ::right].copy()


def effect(
    network: torch.nn.Module,
    images: NDArray[np.uint8],
    paste: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    label: int,
) -> tuple[float, float]:
    """Mean change of log-odds, and share of flips, by pasting into images of other classes."""
    both = images, paste(images)
    before, after = (predict(network, torch.from_numpy(part).float()) for part in both)
    change = log_odds(after.double(), label) - log_odds(before.double(), label)
    return float(change.mean()), float((after.argmax(1) == label).float().mean())


def changed_pixels(case: Case, names: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where test images, named by their number in the published file, differ from it (n, h, w)."""
    raw = Path("plain")
    raw.mkdir()
    DATA[case.data].fetch(Origin(ROOT / "data/embedded"), raw)
    plain, planted = (DATA[case.data].read(folder).test for folder in (raw, Path("data/raw")))
    changed = np.asarray(plain.images)[names] != np.asarray(planted.images)[names]
    return changed.any(axis=1)


@contextlib.contextmanager
def temporary_folder() -> Iterator[None]:
    """A folder to run stages in."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="shortcuts-") as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


if __name__ == "__main__":
    main()
