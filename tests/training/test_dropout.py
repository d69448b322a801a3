"""Our dropout equals torch's except for which features it draws."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from stages.training.dropout import FastDropout

N = 200_000
LAYOUTS = {
    "flat": torch.ones(N),
    "channels_last": torch.ones(50, 40, 10, 10).to(memory_format=torch.channels_last),
    "turned": torch.ones(400, 500).t(),
    "expanded": torch.ones(1, 500).expand(400, 500),
    "sliced": torch.ones(400, 1000)[:, ::2],
}


def dropped(features: Tensor, p: float, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    with FastDropout():
        return nn.Dropout(p)(features)


def assert_share(share: float, expected: float, n: int = N) -> None:
    """The share is within five standard errors of a binomial share."""
    assert share == pytest.approx(expected, abs=5 * math.sqrt(expected * (1 - expected) / n))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("p", [0.004, 0.1, 0.5, 0.9])
def test_dropout_drops_the_given_share_and_scales_the_rest(p: float, dtype: torch.dtype) -> None:
    out = dropped(torch.full((N,), 3.0, dtype=dtype), p)
    assert out.dtype == dtype
    assert_share((out == 0).double().mean().item(), p)
    rest = torch.full((), 3 / (1 - p), dtype=torch.float64)
    tolerance = 1e-2 if dtype == torch.bfloat16 else 1e-4
    torch.testing.assert_close(out[out != 0].double().mean(), rest, rtol=tolerance, atol=0)
    assert len(out.unique()) == 2


@pytest.mark.parametrize("layout", LAYOUTS)
def test_neighbours_on_any_axis_are_drawn_independently(layout: str) -> None:
    features = LAYOUTS[layout]
    kept = dropped(features, 0.3) != 0
    assert_share(kept.double().mean().item(), 0.7)
    for axis in range(kept.dim()):
        for distance in (1, 4):
            length = kept.shape[axis] - distance
            both = kept.narrow(axis, 0, length) & kept.narrow(axis, distance, length)
            assert_share(both.double().mean().item(), 0.49, both.numel() // 2)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_memory_layout_equals_torchs(layout: str) -> None:
    features = LAYOUTS[layout]
    assert dropped(features, 0.3).stride() == dropout(features, 0.3).stride()


def test_gradients_pass_only_through_kept_features() -> None:
    features = torch.randn(N, dtype=torch.float64, requires_grad=True)
    out = dropped(features, 0.3)
    (gradient,) = torch.autograd.grad(out.sum(), features)
    torch.testing.assert_close(gradient * features, out)


def test_draws_depend_only_on_the_seed_on_any_number_of_cores() -> None:
    features, n_threads = torch.ones(N), torch.get_num_threads()
    found = []
    try:
        for seed, threads in ((0, 1), (0, 2), (1, 2)):
            torch.set_num_threads(threads)
            found.append(dropped(features, 0.5, seed))
    finally:
        torch.set_num_threads(n_threads)
    assert torch.equal(found[0], found[1])
    assert_share((found[0] == found[2]).double().mean().item(), 0.5)


@pytest.mark.parametrize("p", [0.0, 1e-9, 1 - 1e-9, 1.0])
def test_rates_that_drop_nothing_or_everything(p: float) -> None:
    assert torch.equal(dropped(torch.ones(100), p) != 0, torch.full((100,), p < 0.5))


def test_an_empty_batch_stays_empty() -> None:
    assert dropped(torch.ones(0, 3, 4, 4), 0.5).shape == (0, 3, 4, 4)


def test_nothing_is_dropped_outside_training() -> None:
    with FastDropout():
        assert nn.Dropout(0.5).eval()(torch.ones(N)).min() == 1


def test_in_place_dropout_changes_its_input() -> None:
    features = torch.ones(N)
    with FastDropout():
        assert nn.Dropout(0.5, inplace=True)(features) is features
    assert_share((features == 0).double().mean().item(), 0.5)


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_an_invalid_rate_is_rejected_as_torch_does(p: float) -> None:
    with FastDropout(), pytest.raises(ValueError, match="has to be between 0 and 1"):
        dropout(torch.ones(3), p)
