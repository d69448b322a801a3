"""Maps known to be worse rank lower, on both embedded data sets."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from stages.explainers.base.contract import build_explainer
from stages.measures.explanations.base.baselines import edges, noise
from stages.measures.explanations.base.maps import Maps, maps_of_baseline
from stages.measures.explanations.base.removal import removal_curves
from stages.measures.explanations.base.subject import Subject
from stages.measures.explanations.base.tiles import exact_game, game_of_tiles, play_tiles, tile_sums
from stages.measures.explanations.contrast_shift import contrast_shift
from stages.measures.explanations.removal_gain import removal_gain
from stages.measures.explanations.tiles_error import tiles_error
from stages.networks.build import build_network
from tests.factory import dataset_info
from tests.measures.subjects import shipped_test_split, subject

N_TRAIN = 3000
N_IMAGES = N_BACKGROUND = 10  # no more than the tile game uses, so that it uses all maps
BROKEN = ["random", "next class", "shifted", "absolute", "random network"]


@dataclass(frozen=True)
class Explained:
    """Our maps of a trained network, broken maps and edges, and the coalition values."""

    subject: Subject
    ours: Maps
    others: Mapping[str, Maps]
    values: NDArray[np.float64]


@pytest.fixture(
    scope="module", params=["mnist", pytest.param("fashion_mnist", marks=pytest.mark.slow)]
)
def explained(request: pytest.FixtureRequest) -> Explained:
    images, labels = shipped_test_split(request.param)
    network = trained(images[:N_TRAIN], labels[:N_TRAIN])
    rest = images[N_TRAIN:]
    background = torch.from_numpy(rest[-N_BACKGROUND:]).float()
    measured = subject(network, torch.from_numpy(rest[:N_IMAGES]).float(), background)
    values = play_tiles(game_of_tiles(measured))
    pairs = np.stack([measured.predicted, measured.runner_up], axis=1)
    maps = deep_maps(network, measured, np.concatenate([pairs, (pairs + 1) % 10], axis=1))
    random_network_maps = deep_maps(with_shuffled_weights(network), measured, pairs)
    predicted, runner_up, next_predicted, next_runner_up = np.moveaxis(maps, -1, 0)
    changes = values[:, -1] - values[:, 0]
    others = {
        "random": maps_of_baseline(noise(rest[:N_IMAGES]), changes),
        "next class": two_classes(next_predicted, next_runner_up),
        "shifted": two_classes(np.roll(predicted, 3, (1, 2)), np.roll(runner_up, 3, (1, 2))),
        "absolute": two_classes(np.abs(predicted), np.abs(runner_up)),
        "random network": two_classes(*np.moveaxis(random_network_maps, -1, 0)),
        "edges": maps_of_baseline(edges(rest[:N_IMAGES]), changes),
    }
    return Explained(measured, two_classes(predicted, runner_up), others, values)


def trained(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> nn.Module:
    torch.manual_seed(0)
    names = tuple(str(number) for number in range(10))
    mean, std = float(images.mean() / 255), float(images.std() / 255)
    network = build_network("lenet", dataset_info(names, mean=mean, std=std), {})
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    inputs, targets = torch.from_numpy(images).float(), torch.from_numpy(labels)
    for _ in range(4):
        for batch in torch.randperm(len(inputs)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(inputs[batch]), targets[batch]).backward()
            optimizer.step()
    return network.eval().requires_grad_(False)


def with_shuffled_weights(network: nn.Module) -> nn.Module:
    """A copy whose weights are shuffled within each tensor: random, but of the same sizes."""
    shuffled = copy.deepcopy(network)
    for weights in shuffled.parameters():
        weights.copy_(weights.flatten()[torch.randperm(weights.numel())].view_as(weights))
    return shuffled


def deep_maps(
    network: nn.Module, measured: Subject, classes: NDArray[np.int64]
) -> NDArray[np.float64]:
    attribute = build_explainer("deep", network, measured.background, seed=0)
    values = attribute(measured.images, torch.from_numpy(classes)).values
    return values.sum(axis=1, dtype=np.float64)


def two_classes(predicted: NDArray[np.float64], runner_up: NDArray[np.float64]) -> Maps:
    return Maps(predicted=predicted, contrast=predicted - runner_up, game=predicted)


def scores(explained: Explained, maps: Maps) -> dict[str, float]:
    """Higher is better."""
    curves = removal_curves(explained.subject, maps.predicted)
    game = exact_game(explained.values)
    return {
        "removal gain": removal_gain(curves).mean(),
        "contrast shift": contrast_shift(explained.subject, maps.contrast).mean(),
        "minus tiles error": -tiles_error(tile_sums(maps.game), game).mean(),
    }


@pytest.mark.unhurried
@pytest.mark.parametrize("other", [*BROKEN, "edges"])
def test_a_broken_map_ranks_below_ours(explained: Explained, other: str) -> None:
    ours, theirs = scores(explained, explained.ours), scores(explained, explained.others[other])
    assert all(theirs[measure] < ours[measure] for measure in ours), (ours, theirs)


def test_shuffled_weights_change_our_maps_and_not_the_edges(explained: Explained) -> None:
    """The randomisation check: a map that survives it shows the image, not the network."""
    shuffled = explained.others["random network"].predicted
    pairs = zip(explained.ours.predicted, shuffled, strict=True)
    similarity = np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairs])
    assert abs(similarity) < 0.3
    images = explained.subject.images.numpy().astype(np.uint8)
    np.testing.assert_array_equal(explained.others["edges"].predicted, edges(images))
