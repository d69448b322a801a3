"""Measures what clusters find of planted marks: `python -m benchmarks.shortcut_baselines`.

Images of the marked class are divided by k-means into 2 to 8 clusters, of their raw pixels, of the
features before the network's last layer, and of their attributions. Of all clusters the one counts
that fits the marked images best (the F1 score of precision and recall), which nobody could choose
without knowing them: an upper bound of what looking at clusters finds. The search chooses by
itself.

Usage:
    python -m benchmarks.shortcut_baselines --data mnist --marks tag --shares 0.2 --seeds 0
"""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import f1_score
from tqdm import tqdm

from benchmarks.shortcuts import (
    PLANTED,
    Case,
    chosen_cases,
    marks_of,
    parameters,
    run_stages,
    temporary_folder,
)
from stages import download, evaluate, preprocess, shortcuts, train
from stages.artifacts.shortcuts import Shortcuts
from stages.artifacts.splits import load_split
from stages.measures.predictions.base.features import features_of
from stages.networks.checkpoint import load_checkpoint

N_CLUSTERS = range(2, 9)


def main() -> None:
    """Run the cases and print a line for each."""
    print("data           mark        share seed | pixels features attributions search (F1)")
    for case in tqdm(chosen_cases(__doc__), desc="cases", unit="case", leave=False, disable=None):
        scores = run(case)
        print(
            f"{case.data:14} {case.mark:11} {case.share:5.2f} {case.seed:4} | "
            + " ".join(f"{score:.2f}" for score in scores),
            flush=True,
        )


def run(case: Case) -> list[float]:
    """F1 scores of the best cluster of pixels, features and attributions, and of the search."""
    with temporary_folder():
        run_stages(parameters(case), download, preprocess, train, evaluate, shortcuts)
        found = Shortcuts.load()
        label = found.class_names.index(PLANTED[case.data])
        own = found.predicted == label
        carriers = np.any([mark.carriers for mark in marks_of(case, found.names)], axis=0)[own]
        images = load_split("test").images[found.indices[own]]
        device = torch.device("cpu")
        network = load_checkpoint(device).network.requires_grad_(False)
        spaces = (images, features_of(network, images, device), found.maps[own])
        is_class = found.findings["class"].to_numpy() == label
        members = found.members[is_class].any(axis=0)[own]
        best = [best_cluster(space.reshape(len(images), -1), carriers) for space in spaces]
        return [*best, float(f1_score(carriers, members, zero_division=0))]


def best_cluster(values: NDArray[np.generic], carriers: NDArray[np.bool_]) -> float:
    """The highest F1 score of any cluster of images (n, d), carriers (n,) being the truth."""
    scores = []
    for n_clusters in N_CLUSTERS:
        clusters = KMeans(n_clusters, n_init=5, random_state=0).fit_predict(values.astype(float))
        scores += [f1_score(carriers, clusters == number) for number in range(n_clusters)]
    return float(max(scores))


if __name__ == "__main__":
    main()
