"""Model randomisation, against Quantus and on methods whose answer is known."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torchvision.models import VisionTransformer

from stages.explainers.base.contract import build_explainer
from stages.measures.explanations.base.baselines import edges, noise
from stages.measures.methods.randomisation import (
    MOST_STEPS,
    Randomisation,
    randomisation,
    redrawn,
    similarity,
)
from stages.networks.build import build_network
from tests.factory import dataset_info
from tests.measures.methods.oracle import quantus

IMAGES = (255 * torch.rand(5, 1, 12, 14, generator=torch.Generator().manual_seed(0))).round()
CLASSES = torch.tensor([[0], [2], [1], [2], [0]])


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(4 * 8 * 10, 3)).eval().requires_grad_(False)


def by(name: str) -> Callable[[nn.Module], NDArray[np.float64]]:
    def maps_by(changed: nn.Module) -> NDArray[np.float64]:
        values = build_explainer(name, changed, IMAGES[:3], 0)(IMAGES, CLASSES).values
        return values.sum(axis=1, dtype=np.float64)[..., 0]

    return maps_by


@pytest.mark.parametrize("name", ["gradient_x_input", "occlusion"])
def test_similarities_equal_those_of_quantus(name: str) -> None:
    seed, explained = 7, by(name)
    oracle = quantus()

    def explain(model: nn.Module, **_: Any) -> NDArray[np.float64]:
        return explained(model)[:, None]

    metric = oracle.MPRT(
        similarity_func=oracle.similarity_func.correlation_pearson,
        layer_order="top_down",
        seed=seed - 1,  # of which Quantus draws with the next
        abs=False,
        normalise=False,
        disable_warnings=True,
        display_progressbar=False,
    )
    theirs = metric(
        model=network(),
        x_batch=IMAGES.numpy(),
        y_batch=CLASSES[:, 0].numpy(),
        explain_func=explain,
        batch_size=len(IMAGES),
        softmax=False,
    )
    by_layer = np.abs([scores for layer, scores in theirs.items() if layer != "original"])
    found = randomisation(explained, network(), seed)
    assert by_layer.shape == (3, 5)
    np.testing.assert_allclose(found.similarity, by_layer.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.last, by_layer[-1], atol=1e-6)


@pytest.mark.parametrize("baseline", [edges, noise])
@pytest.mark.parametrize("sign", [1, -1])
def test_maps_that_ignore_the_network_do_not_pass(baseline: Any, sign: int) -> None:
    """Nor if their sign changes with the network, which shows no more of it."""
    signs = iter([1, sign, 1, sign])
    found = randomisation(
        lambda _: next(signs) * baseline(IMAGES.numpy().astype(np.uint8)), network(), 0
    )
    np.testing.assert_allclose(found.similarity, 1, atol=1e-12)
    assert not found.passes


def test_maps_that_are_new_for_each_network_pass() -> None:
    draw = np.random.default_rng(0)
    found = randomisation(lambda _: draw.normal(size=(5, 12, 14)), network(), 0)
    assert found.similarity.max() < 0.3
    assert found.passes


def test_layers_are_redrawn_from_the_top_in_a_copy() -> None:
    subject = network()
    before = {name: value.clone() for name, value in subject.state_dict().items()}
    layers = [["5"], ["5", "2"], ["5", "2", "0"]]
    state = torch.random.get_rng_state()
    for changed, expected in zip(redrawn(subject, 1), layers, strict=True):
        values = changed.state_dict()
        differ = {
            name.split(".")[0] for name in before if not torch.equal(values[name], before[name])
        }
        assert differ == set(expected)
    assert torch.equal(torch.random.get_rng_state(), state)
    for name, value in subject.state_dict().items():
        assert torch.equal(value, before[name])


def test_of_many_layers_some_steps_are_enough() -> None:
    subject = nn.Sequential(*(nn.Linear(2, 2) for _ in range(20)))
    assert len(list(redrawn(subject, 0))) == MOST_STEPS
    *_, last = redrawn(subject, 0)
    for old, new in zip(subject, last, strict=True):
        assert not torch.equal(old.weight, new.weight)


def transformer() -> nn.Module:
    """torchvision's, whose tokens, positions and projections belong to no layer."""
    return VisionTransformer(12, 4, 1, 2, 8, 8, num_classes=3)


def own_transformer() -> nn.Module:
    return build_network("vit", dataset_info(), {"depth": 1})


@pytest.mark.parametrize("build", [transformer, own_transformer])
def test_every_trained_weight_changes(build: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    subject = build().eval().requires_grad_(False)
    for parameter in subject.parameters():
        parameter.normal_()
    before = {name: value.clone() for name, value in subject.named_parameters()}
    *_, last = redrawn(subject, 1)
    for name, value in last.named_parameters():
        assert not torch.equal(value, before[name]), name
    for name, value in subject.named_parameters():
        assert torch.equal(value, before[name])


def test_parameters_that_no_layer_can_redraw_are_shuffled_after_the_layers_inside() -> None:
    torch.manual_seed(0)
    subject = nn.Sequential(nn.Linear(8, 8), nn.MultiheadAttention(8, 2)).requires_grad_(False)
    name = "1.in_proj_weight"
    before = subject.state_dict()[name].clone()
    steps = [changed.state_dict()[name].clone() for changed in redrawn(subject, 1)]
    assert [torch.equal(value, before) for value in steps] == [True, False, False]
    assert steps[-1].shape == before.shape
    assert torch.equal(steps[-1].flatten().sort()[0], before.flatten().sort()[0])


def test_a_network_without_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="no layer with parameters"):
        randomisation(lambda _: np.ones((1, 2, 2)), nn.Sequential(nn.Flatten()), 0)


def test_even_maps() -> None:
    maps = np.random.default_rng(0).normal(size=(2, 3, 3))
    even = np.full((2, 3, 3), 0.1)
    np.testing.assert_array_equal(similarity(maps, even), 0)
    assert np.isnan(similarity(even, maps)).all()
    assert Randomisation(np.array([0.4]), np.array([0.6])).passes is False
