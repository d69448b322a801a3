"""Maps that are known to be worse rank lower, on both embedded data sets."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from stages.artifacts.splits import DatasetInfo
from stages.measures.base.baselines import edges, noise
from stages.measures.base.maps import Maps, maps_of_baseline, maps_of_method
from stages.measures.base.subject import Subject
from stages.measures.contrast_shift import contrast_shift
from stages.measures.removal_gain import removal_curves, removal_gain
from stages.measures.tiles_error import game_of_tiles, play_tiles, tile_sums, tiles_error
from stages.networks.build import build_network
from tests.measures.subjects import shipped_test_split, subject

N_TRAIN, N_IMAGES, N_BACKGROUND = 3000, 30, 20


@dataclass(frozen=True)
class Explained:
    """A trained network, some of its explanations, and the output of each tile coalition."""

    subject: Subject
    maps: Maps
    values: NDArray[np.float64]


@pytest.fixture(scope="module", params=["mnist", "fashion_mnist"])
def explained(request: pytest.FixtureRequest) -> Explained:
    images, labels = shipped_test_split(request.param)
    torch.manual_seed(0)
    network = build_network("lenet", info_of(images[:N_TRAIN]), {})
    fit(network, torch.from_numpy(images[:N_TRAIN]), torch.from_numpy(labels[:N_TRAIN]))
    network.eval().requires_grad_(False)
    rest = torch.from_numpy(images[N_TRAIN:]).float()
    measured = subject(network, rest[:N_IMAGES], rest[-N_BACKGROUND:])
    game = game_of_tiles(measured)
    return Explained(measured, maps_of_method("deep", measured, game), play_tiles(game))


def info_of(images: NDArray[np.uint8]) -> DatasetInfo:
    names = tuple(str(number) for number in range(10))
    mean, std = images.mean() / 255, images.std() / 255
    return DatasetInfo("test", names, 1, (28, 28), (float(mean),), (float(std),), {})


def fit(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    """Four epochs: about 94 % of MNIST and 78 % of Fashion-MNIST."""
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for epoch in range(4):
        torch.manual_seed(epoch)
        for batch in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images[batch]), labels[batch]).backward()
            optimizer.step()


def of_other_classes(measured: Subject) -> Subject:
    """The same with the classes one further on."""
    return replace(
        measured, predicted=(measured.predicted + 1) % 10, runner_up=(measured.runner_up + 1) % 10
    )


def of_random_network(measured: Subject) -> Subject:
    """The same with a network whose weights are shuffled, each tensor by itself."""
    torch.manual_seed(0)
    shuffled = copy.deepcopy(measured.network)
    for weights in shuffled.parameters():
        weights.copy_(weights.flatten()[torch.randperm(weights.numel())].view_as(weights))
    return replace(measured, network=shuffled, explained=shuffled)


def of_baseline(explained: Explained, maps: NDArray[np.float64]) -> Maps:
    return maps_of_baseline(maps, explained.values[:, -1] - explained.values[:, 0])


def changed(maps: Maps, change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Maps:
    return Maps(
        predicted=change(maps.predicted), contrast=change(maps.contrast), game=change(maps.game)
    )


def broken(explained: Explained, how: str) -> Maps:
    measured, maps = explained.subject, explained.maps
    match how:
        case "random":
            return of_baseline(explained, noise(measured.images.numpy()))
        case "next class":
            other = of_other_classes(measured)
            return maps_of_method("deep", other, game_of_tiles(other))
        case "shifted":
            return changed(maps, lambda part: np.roll(part, 3, axis=(1, 2)))
        case "absolute":
            return changed(maps, np.abs)
        case _:
            other = of_random_network(measured)
            return maps_of_method("deep", other, game_of_tiles(other))


def scores(explained: Explained, maps: Maps) -> NDArray[np.float64]:
    """Removal gain, contrast shift and tiles error, the last negative: higher is better."""
    curves = removal_curves(explained.subject, maps.predicted)
    return np.array(
        [
            removal_gain(curves).mean(),
            contrast_shift(explained.subject, maps.contrast).mean(),
            -tiles_error(tile_sums(maps.game), explained.values).mean(),
        ]
    )


BROKEN = ["random", "next class", "shifted", "absolute", "random network"]


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_map_ranks_below_ours(explained: Explained, how: str) -> None:
    ours, theirs = scores(explained, explained.maps), scores(explained, broken(explained, how))
    print(how, ours, theirs)
    assert (theirs < ours).all(), (ours, theirs)


def test_edges_rank_below_ours(explained: Explained) -> None:
    images = explained.subject.images.numpy().astype(np.uint8)
    ours = scores(explained, explained.maps)
    theirs = scores(explained, of_baseline(explained, edges(images)))
    print("edges", ours, theirs)
    assert (theirs < ours).all()


def test_shuffled_weights_change_our_maps(explained: Explained) -> None:
    """The randomisation check: a map that survives it, as edges do, shows the image alone."""
    ours = explained.maps.predicted
    theirs = broken(explained, "random network").predicted
    pairs = zip(ours, theirs, strict=True)
    similarity = np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs])
    print(similarity)
    assert similarity < 0.3
