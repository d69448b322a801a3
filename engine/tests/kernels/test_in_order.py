"""Loops for 1×1, depthwise and grouped convolutions agree with a literal implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from deepshap import DeepShap, kernels
from deepshap.kernels import loops
from deepshap.multiplier import Multiplier, Positions

from . import literal
from .drawn import Case, alone, in_groups, pointwise
from .test_against_literal import check

pytestmark = pytest.mark.usefixtures("any_work")

OUTPUTS = [1, 3, 4, 10]
"""Numbers of outputs; the last is computed in two slices."""


def block_diagonal(weight: literal.Array, groups: int) -> literal.Array:
    """The weight of a convolution without groups that does the same."""
    read, written, *kernel = weight.shape
    full = np.zeros((read, groups * written, *kernel))
    for channel in range(read):
        first = channel // (read // groups) * written
        full[channel, first : first + written] = weight[channel]
    return full


def check_back(
    found: Tensor | None, case: Case, weight: literal.Array, groups: int = 1, **settings: Any
) -> None:
    assert found is not None
    full = block_diagonal(weight.astype(np.float64), groups)
    expected = literal.transposed(case.factors, full, **settings)
    check(found, expected, literal.transposed(case.factors.sizes(), np.abs(full), **settings))


@pytest.mark.fuzz
@given(st.data())
def test_depthwise_convolutions_agree(ran: list[str], data: st.DataObject) -> None:
    ran.clear()
    drawn = data.draw(alone(data.draw(st.sampled_from(OUTPUTS))))
    drawn["weight"] = drawn["weight"].astype(np.float32)
    case, weight, *_ = drawn.values()
    settings = {name: drawn[name] for name in ("stride", "padding", "size")}
    check_back(
        kernels.depthwise(case.multiplier, taps(weight), **settings), groups=len(weight), **drawn
    )
    assert ran == ["depthwise"]


def taps(weight: Any) -> Tensor:
    return torch.as_tensor(weight)[:, 0].permute(1, 2, 0).contiguous()


@pytest.mark.fuzz
@given(st.data())
def test_pointwise_convolutions_agree(ran: list[str], data: st.DataObject) -> None:
    """Also where fewer channels are written than a vector holds, and where panels overlap."""
    ran.clear()
    k = data.draw(st.sampled_from(OUTPUTS))
    drawn = data.draw(pointwise(k, data.draw(st.sampled_from([1, 15, 16, 24, 33, 48, 70]))))
    weight = kernels.Weight(torch.from_numpy(drawn["weight"]))
    found = kernels.pointwise(drawn["case"].multiplier, weight, drawn["stride"], drawn["size"])
    check_back(found, **drawn)
    assert ran == ["pointwise"]


@pytest.mark.fuzz
@given(st.data())
def test_grouped_convolutions_agree(ran: list[str], data: st.DataObject) -> None:
    ran.clear()
    k, groups, read = (data.draw(st.sampled_from(each)) for each in ([1, 4], [2, 3], [1, 5, 16]))
    drawn = data.draw(in_groups(k, groups, read, data.draw(st.sampled_from([16, 32, 48]))))
    weight = kernels.Weight(torch.from_numpy(drawn["weight"]), groups)
    settings = {name: drawn[name] for name in ("stride", "padding", "size")}
    check_back(kernels.transposed(drawn["case"].multiplier, weight, **settings), **drawn)
    assert ran == ["transposed"]


def test_a_group_that_does_not_fill_vectors_is_left_to_pytorch(ran: list[str]) -> None:
    weight = kernels.Weight(torch.ones(40, 20, 3, 3), 2)
    multiplier = Multiplier(torch.ones(1, 2, 40, 4, 4), torch.ones(2, 1, 40, 4, 4))
    assert kernels.transposed(multiplier, weight, (1, 1), (1, 1), (4, 4)) is None
    assert not ran


# ------------------------------------------------------- results that are added, and parts only

C = 24
ROWS, RATIO = torch.ones(6, 3, C, 4, 5), torch.ones(6, 1, C, 4, 5)
SETTINGS: dict[str, dict[str, Any]] = {
    "depthwise": {"weight": torch.ones(3, 3, C), "stride": (2, 1), "padding": (1, 1)},
    "pointwise": {"weight": kernels.Weight(torch.ones(C, 40, 1, 1)), "stride": (2, 1)},
}
"""Calls of the loops, whose inputs have 7 × 5 positions."""
WRITTEN = {"depthwise": C, "pointwise": 40}


def drawn_like(tensor: Tensor, seed: int) -> Tensor:
    return torch.randn(tensor.shape, generator=torch.Generator().manual_seed(seed))


def call(name: str, multiplier: Multiplier, **more: Any) -> Tensor | None:
    arguments = SETTINGS[name] | {"size": (7, 5)} | more
    result: Tensor | None = getattr(kernels, name)(multiplier, **arguments)
    return result


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("n_rows", [1, 6])
@pytest.mark.parametrize("n_ratios", [None, 1, 6])
def test_a_multiplier_that_waits_is_added(
    ran: list[str], name: str, n_rows: int, n_ratios: int | None
) -> None:
    """Also at positions that the convolution does not read."""
    multiplier = Multiplier(drawn_like(ROWS, 0), drawn_like(RATIO, 1))
    waiting = torch.randn(n_rows, 3, WRITTEN[name], 7, 5)
    shared = None if n_ratios is None else torch.rand(n_ratios, 1, WRITTEN[name], 7, 5)
    plain = call(name, multiplier)
    added = call(name, multiplier, waiting=Multiplier(waiting, shared))
    assert plain is not None
    assert added is not None
    assert ran == [name] * 2
    product = waiting.double() * (1 if shared is None else shared.double())
    torch.testing.assert_close(added.double(), plain.double() + product, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("waits", [False, True])
def test_a_loop_computes_and_reads_only_what_is_needed(
    ran: list[str], name: str, waits: bool
) -> None:
    """The rest may be NaN, and stays NaN."""
    rng = torch.Generator().manual_seed(0)
    rows, ratio = drawn_like(ROWS, 2), drawn_like(RATIO, 3)
    onto = Multiplier(torch.rand(6, 3, WRITTEN[name], 7, 5, generator=rng)) if waits else None
    defined = torch.rand(6, 4, 5, generator=rng) > 0.4
    needed = torch.rand(6, 7, 5, generator=rng) > 0.3
    expected = call(name, Multiplier(rows, ratio * defined[:, None, None]), waiting=onto)
    undefined = torch.where(defined[:, None, None], rows, torch.nan)
    found = call(name, Multiplier(undefined, ratio, None, defined), waiting=onto, needed=needed)
    assert expected is not None
    assert found is not None
    assert ran == [name] * 2
    both = needed[:, None, None].expand(found.shape)
    assert torch.equal(found.isnan(), ~both)
    assert torch.equal(found[both], expected[both])


@pytest.mark.parametrize("name", SETTINGS)
def test_bits_do_not_depend_on_registers_or_the_other_pairs(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    multiplier = Multiplier(drawn_like(ROWS, 4), drawn_like(RATIO, 5))
    expected = call(name, multiplier)
    assert expected is not None
    for at in range(6):
        one = Multiplier(multiplier.rows[at : at + 1], RATIO[:1] * drawn_like(RATIO, 5)[at])
        alone_ = call(name, one)
        assert alone_ is not None
        assert torch.equal(alone_[0], expected[at])
    monkeypatch.setattr(loops, "n_registers", lambda: 8)
    again = call(name, multiplier)
    assert again is not None
    assert torch.equal(again, expected)


# --------------------------------------------------------------------------------------- checks


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize(
    "changes",
    [
        {"multiplier": Multiplier(ROWS[:, :, 1:], RATIO[:, :, 1:])},
        {"multiplier": Multiplier(ROWS, RATIO[:5])},
        {"multiplier": Multiplier(ROWS, RATIO.double())},
        {"multiplier": Multiplier(ROWS[:0], RATIO[:0])},
        {"multiplier": Multiplier(ROWS, RATIO, needed=torch.ones(6, 5, 4) > 0)},
        {"stride": (0, 1)},
        {"stride": (1, -1)},
        {"needed": torch.ones(5, 7, 5) > 0},
        {"needed": torch.ones(6, 5, 7) > 0},
        {"needed": torch.ones(6, 7, 5)},
        {"waiting": "smaller"},
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    name: str, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "run", lambda *arguments: pytest.fail("a loop would have run"))
    if "waiting" in changes:
        changes = {"waiting": Multiplier(torch.ones(6, 3, WRITTEN[name], 6, 5))}
    with pytest.raises(ValueError, match=r"\w"):
        call(name, **{"multiplier": Multiplier(ROWS, RATIO)} | changes)


def test_weights_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "run", lambda *arguments: pytest.fail("a loop would have run"))
    multiplier = Multiplier(ROWS, RATIO)
    for weight in (torch.ones(3, 3, C).double(), torch.ones(C, 3, 3).movedim(0, 2)):
        with pytest.raises(ValueError, match="the weight does not fit"):
            call("depthwise", multiplier, weight=weight)
    with pytest.raises(ValueError, match="padding below 0"):
        call("depthwise", multiplier, padding=(0, -1))
    with pytest.raises(ValueError, match="larger than 1×1"):
        call("pointwise", multiplier, weight=kernels.Weight(torch.ones(C, 16, 1, 2)))
    for groups, read in ((2, C), (1, 2 * C), (4, 2 * C)):
        weight = kernels.Weight(torch.ones(2 * read, 16, 1, 1), groups)
        with pytest.raises(ValueError, match="the weight"):
            kernels.transposed(multiplier, weight, (1, 1), (0, 0), (4, 5))


@pytest.mark.parametrize("name", SETTINGS)
def test_pytorch_computes_behind_pools_and_in_float64(ran: list[str], name: str) -> None:
    offset = torch.zeros(6, 1, C, 4, 5, dtype=torch.uint8)
    assert call(name, Multiplier(ROWS, RATIO, Positions(offset, (8, 10), (2, 2)))) is None
    assert call(name, Multiplier(ROWS.double(), RATIO.double())) is None
    assert not ran


# -------------------------------------------------------------------------------------- networks


@pytest.mark.parametrize("stride", [1, 2])
def test_a_network_of_separable_and_grouped_convolutions(ran: list[str], stride: int) -> None:
    """Equal to PyTorch in float64, additive, and the same alone as in a batch."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 24, 3), nn.ReLU(), nn.Conv2d(24, 24, 3, stride, 1, groups=24), nn.ReLU6(),
        nn.Conv2d(24, 32, 1, stride), nn.ReLU(), nn.Conv2d(32, 32, 3, 1, 1, groups=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 3),
    ).eval()  # fmt: skip
    x, background = torch.rand(3, 3, 12, 12), torch.rand(5, 3, 12, 12)
    found = DeepShap(network, background).attribute(x)
    assert {"depthwise", "pointwise", "transposed"} <= set(ran)
    alone_ = torch.cat([DeepShap(network, background).attribute(one[None]) for one in x])
    assert torch.equal(alone_, found)
    wide = DeepShap(network.double(), background.double())
    expected = wide.attribute(x.double())
    assert (found - expected).abs().max() < 2e-6 * expected.abs().max()
    change = network(x.double()) - wide.base_values
    assert (found.sum((1, 2, 3)) - change).abs().max() < 1e-5 * expected.abs().sum((1, 2, 3)).max()
