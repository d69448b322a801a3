"""The choice of outputs: all, some, others for each image, very many."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from deepshap import DeepShap

from .networks import build, explainer_of, images, shared

F64 = torch.float64


@pytest.fixture(scope="module")
def explainer() -> DeepShap:
    return explainer_of(shared("residual", F64), images(4, F64))


@pytest.mark.parametrize("chosen", [[[2], [0], [1]], [[0, 2], [2, 2], [1, 0]]], ids=["1", "2"])
def test_each_image_may_have_other_outputs(explainer: DeepShap, chosen: list[list[int]]) -> None:
    x = images(3, F64, seed=2)
    found = explainer.attribute(x, outputs=torch.tensor(chosen))
    expected = [
        explainer.attribute(image[None], outputs=own)[0]
        for image, own in zip(x, chosen, strict=True)
    ]
    assert found.shape == (3, 2, 10, 10, len(chosen[0]))
    assert torch.allclose(found, torch.stack(expected), rtol=0, atol=1e-13)


def test_the_top_outputs_of_each_image_can_be_chosen(explainer: DeepShap) -> None:
    network, x = shared("residual", F64), images(3, F64, seed=2)
    top = network(x).topk(2).indices
    every = explainer.attribute(x)
    index = top[:, None, None, None].expand(-1, *x.shape[1:], -1)
    found = explainer.attribute(x, outputs=top)
    assert torch.allclose(found, every.gather(-1, index), rtol=0, atol=1e-13)


def test_outputs_may_be_any_integer_type(explainer: DeepShap) -> None:
    x = images(2, F64, seed=2)
    narrow = torch.tensor([[1], [0]], dtype=torch.int32)
    assert torch.equal(
        explainer.attribute(x, outputs=narrow), explainer.attribute(x, outputs=narrow.long())
    )


def test_outputs_that_do_not_fit_are_refused(explainer: DeepShap) -> None:
    x = images(3, F64)
    with pytest.raises(ValueError, match=r"outputs: .*\(2, 1\)"):
        explainer.attribute(x, outputs=torch.zeros(2, 1, dtype=torch.long))
    with pytest.raises(ValueError, match=r"outputs: 3 is not among 0 to 2"):
        explainer.attribute(x, outputs=torch.tensor([[0], [3], [1]]))
    with pytest.raises(ValueError, match=r"outputs: .*float32"):
        explainer.attribute(x, outputs=torch.zeros(3, 1))
    with pytest.raises(ValueError, match=r"outputs: .*empty"):
        explainer.attribute(x, outputs=torch.zeros(3, 0, dtype=torch.long))


def wide(*last: nn.Module) -> nn.Module:
    """A hundred outputs from eight features."""
    body = [nn.Conv2d(2, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*body, nn.Linear(8, 100), *last)


@pytest.mark.parametrize(
    "last", [[], [nn.Dropout(), nn.Softmax(1)]], ids=["linear", "dropout and softmax"]
)
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_many_outputs_equal_a_few_at_a_time(dtype: torch.dtype, last: list[nn.Module]) -> None:
    network = build(lambda: wide(*last), dtype)
    x, background = images(2, dtype), images(3, dtype, seed=2)
    explainer = DeepShap(network, background)
    every = explainer.attribute(x)
    chosen = [0, 3, 50, 99]
    few = explainer.attribute(x, outputs=chosen)
    bound = {torch.float32: 1e-6, F64: 1e-13}[dtype] * float(every.abs().max())
    assert torch.allclose(every[..., chosen], few, rtol=0, atol=bound)
    change = network(x) - network(background).mean(0)
    magnitude = every.abs().sum((1, 2, 3)).max()
    gap = (every.sum((1, 2, 3)) - change).abs().max()
    assert gap <= {torch.float32: 2e-6, F64: 1e-12}[dtype] * magnitude


def test_many_outputs_may_differ_between_images() -> None:
    explainer = DeepShap(build(wide, F64), images(3, F64, seed=2))
    x = images(2, F64)
    chosen = torch.stack([torch.arange(20), torch.arange(99, 79, -1)])
    found = explainer.attribute(x, outputs=chosen)
    every = explainer.attribute(x)
    assert torch.allclose(found[0], every[0][..., chosen[0]], rtol=0, atol=1e-13)
    assert torch.allclose(found[1], every[1][..., chosen[1]], rtol=0, atol=1e-13)
