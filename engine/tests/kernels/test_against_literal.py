"""The compiled loops agree with a literal implementation, with guards around every array."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from deepshap import kernels
from deepshap.kernels import convolutions, loops
from deepshap.multiplier import Multiplier, Positions

from . import literal
from .drawn import (
    Case,
    activations,
    channels_in,
    contractions,
    kept,
    laid_out,
    transpositions,
)
from .guarded import run_guarded

pytestmark = pytest.mark.usefixtures("any_work")

SIZES = [
    *[(1, 1), (1, 3), (2, 1), (3, 1), (3, 2), (3, 4), (4, 5), (7, 5), (10, 2), (13, 1), (13, 3)],
    *[(27, 1), (27, 3), (40, 1), (40, 2), (40, 5)],
]
"""Pairs of outputs k and vectors of 16 that hold the channels written.

They are few because each pair compiles its own loops; `test_any_number_of_outputs` covers the rest.
"""

ROUNDING = 1e-6
"""Error relative to the sum of absolute values: several times the 6e-8 of float32."""


def check(found: Tensor, expected: NDArray[Any], sizes: NDArray[Any]) -> None:
    """Assert equality within the rounding of float32, and exact zeros for empty sums."""
    assert found.shape == expected.shape
    assert found.dtype == torch.float32
    error = np.abs(found.numpy() - expected)
    worst = np.unravel_index(np.argmax(error - ROUNDING * sizes), error.shape)
    assert error[worst] <= ROUNDING * sizes[worst], (worst, found.numpy()[worst], expected[worst])


# ------------------------------------------------------------------------ transposed convolutions


def check_transposed(ran: list[str], case: Case, weight: NDArray[Any], **settings: Any) -> None:
    found = kernels.transposed(
        case.multiplier, kernels.Weight(torch.from_numpy(weight)), **settings
    )
    assert found is not None
    assert ran == ["transposed"]
    wide, factors = weight.astype(np.float64), case.factors
    expected = literal.transposed(factors, wide, **settings)
    check(found, expected, literal.transposed(factors.sizes(), np.abs(wide), **settings))


@pytest.mark.fuzz
@given(st.data())
def test_transposed_convolutions_agree(ran: list[str], data: st.DataObject) -> None:
    ran.clear()
    k, n_vectors = data.draw(st.sampled_from(SIZES))
    drawn = data.draw(transpositions(k, data.draw(channels_in(n_vectors))))
    check_transposed(ran, **drawn)


def test_more_channels_than_a_panel_holds(ran: list[str]) -> None:
    """For both the channels read and those written, which do not fill the last panel."""
    rng = np.random.default_rng(0)
    rows, ratio = rng.normal(size=(2, 10, 275, 2, 3)), rng.normal(size=(2, 1, 275, 2, 3))
    ratio *= rng.random(ratio.shape) < 0.5
    rows, ratio = rows.astype(np.float32), ratio.astype(np.float32)
    factors = literal.Factors(
        rows.astype(np.float64),
        ratio.astype(np.float64),
        np.zeros((1, 1, 275, 2, 3), np.int64),
        (1, 1),
        (2, 3),
    )
    case = Case(Multiplier(torch.from_numpy(rows), torch.from_numpy(ratio)), factors)
    weight = rng.normal(size=(275, 291, 2, 2)).astype(np.float32)
    check_transposed(ran, case, weight, stride=(2, 1), padding=(0, 1), size=(4, 2))


@pytest.mark.parametrize("n_rows", [1, 3])
@pytest.mark.parametrize("n_ratios", [None, 1, 3])
@pytest.mark.parametrize(("k", "channels"), [(3, 32), (27, 16)])
def test_a_multiplier_that_waits_is_added(
    ran: list[str], k: int, channels: int, n_ratios: int | None, n_rows: int
) -> None:
    """Also where the last panel of 27 outputs overlaps the one before."""
    rng = np.random.default_rng(0)
    shapes = (3, k, 20, 4, 5), (3, 1, 20, 4, 5), (n_rows, k, channels, 5, 5)
    rows, ratio, waiting = (torch.from_numpy(rng.normal(size=s).astype("f4")) for s in shapes)
    weight = torch.from_numpy(rng.normal(size=(20, channels, 3, 2)).astype(np.float32))
    shared = None if n_ratios is None else torch.rand(n_ratios, 1, channels, 5, 5)
    settings = Multiplier(rows, ratio), kernels.Weight(weight), (1, 1), (1, 0), (5, 5)
    plain = kernels.transposed(*settings)
    added = kernels.transposed(*settings, Multiplier(waiting, shared))
    assert plain is not None
    assert added is not None
    assert ran == ["transposed"] * 2
    product = waiting.double() * (1 if shared is None else shared.double())
    torch.testing.assert_close(added.double(), plain.double() + product, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("window", [None, (2, 2)])
@pytest.mark.parametrize("waits", [False, True])
def test_a_loop_computes_and_reads_only_what_is_needed(
    ran: list[str], waits: bool, window: tuple[int, int] | None
) -> None:
    """The rest may be NaN, and stays NaN."""
    rng = torch.Generator().manual_seed(0)
    rows, ratio, waiting = (
        torch.rand(shape, generator=rng)
        for shape in [(6, 3, 20, 4, 5), (6, 1, 20, 4, 5), (6, 3, 16, 10, 12)]
    )
    weight = kernels.Weight(torch.rand(20, 16, 3, 3, generator=rng))
    positions = None
    if window is not None:
        offset = torch.randint(0, 4, (6, 1, 20, 4, 5), generator=rng).to(torch.uint8)
        positions = Positions(offset, (8, 10), window)
    size = (6, 7) if window is None else (10, 12)
    waiting = waiting[..., : size[0], : size[1]]
    settings: Any = weight, (1, 1), (0, 0), size
    onto = Multiplier(waiting) if waits else None
    defined = torch.rand(6, 4, 5, generator=rng) > 0.4
    zeros = Multiplier(rows, ratio * defined[:, None, None], positions)
    expected = kernels.transposed(zeros, *settings, onto)
    undefined = torch.where(defined[:, None, None], rows, torch.nan)
    needed = torch.rand(6, *size, generator=rng) > 0.3
    multiplier = Multiplier(undefined, ratio, positions, defined)
    found = kernels.transposed(multiplier, *settings, onto, needed)
    assert expected is not None
    assert found is not None
    assert ran == ["transposed"] * 2
    both = needed[:, None, None].expand(found.shape)
    assert torch.equal(found.isnan(), ~both)
    assert torch.equal(found[both], expected[both])
    assert torch.equal(multiplier.dense(), zeros.dense())


@pytest.mark.parametrize("channels", [20, 33])
def test_no_multiplier_is_added_where_panels_reach_beyond_it(ran: list[str], channels: int) -> None:
    rows, ratio = torch.ones(2, 3, 20, 4, 4), torch.ones(2, 1, 20, 4, 4)
    weight = kernels.Weight(torch.ones(20, channels, 1, 1))
    waiting = Multiplier(torch.ones(2, 3, channels, 4, 4))
    settings = Multiplier(rows, ratio), weight, (1, 1), (0, 0), (4, 4)
    assert kernels.transposed(*settings, waiting) is None
    assert not ran


@pytest.mark.slow
@pytest.mark.parametrize("k", range(1, 41))
@given(st.data())
@settings(max_examples=10)
def test_any_number_of_outputs(ran: list[str], k: int, data: st.DataObject) -> None:
    ran.clear()
    check_transposed(ran, **data.draw(transpositions(k, data.draw(st.integers(1, 70)))))
    ran.clear()
    check_contracted(ran, **data.draw(contractions(k, data.draw(st.integers(1, 5)))))


# ------------------------------------------------------------------ the first layer's contraction


def contract(
    case: Case, weight: NDArray[Any], images: NDArray[Any], background: NDArray[Any], **more: Any
) -> list[Tensor] | None:
    flat = torch.from_numpy(weight).flatten(2).transpose(1, 2).unsqueeze(2)
    positions = weight.shape[3:], more["step"], case.factors.rows.shape[3:]
    sides = (torch.from_numpy(literal.under(side, *positions)) for side in (images, background))
    more["plane"] = images.shape[2:]
    return kernels.contracted(case.multiplier, kernels.Weight(flat), *sides, **more)


def check_contracted(
    ran: list[str], case: Case, pieces: list[slice], step: tuple[int, int], **arrays: NDArray[Any]
) -> None:
    found = contract(case, **arrays, pieces=pieces, step=step)
    assert found is not None
    assert ran == ["contracted"]
    weight, images, background = (
        arrays[name].astype(np.float64) for name in ("weight", "images", "background")
    )
    change = images[:, None] - background[None]
    expected = literal.contracted(case.factors, weight, change, pieces, step)
    size = images[:, None] + background[None]  # bounds the change, which is rounded too
    sizes = literal.contracted(case.factors.sizes(), np.abs(weight), size, pieces, step)
    check(torch.stack(found), expected, sizes)


@pytest.mark.fuzz
@given(st.data())
def test_contractions_of_first_convolutions_agree(ran: list[str], data: st.DataObject) -> None:
    ran.clear()
    check_contracted(ran, **data.draw(contractions(*data.draw(st.sampled_from(SIZES)))))


@pytest.mark.parametrize(
    ("k", "n_vectors"),
    [
        *[(1, 1), (13, 3), (27, 1)],
        *[pytest.param(*sizes, marks=pytest.mark.slow) for sizes in ((7, 3), (10, 2))],
    ],
)
@settings(max_examples=settings.default.max_examples // 3)  # slow, since it runs as Python
@given(data=st.data())
def test_the_sums_inside_a_contraction_are_between_guards_too(
    monkeypatch: pytest.MonkeyPatch, k: int, n_vectors: int, data: st.DataObject
) -> None:
    """The sums are not an argument; run as Python, the loop passes them to a guarded loop."""
    ran: list[str] = []

    def run(name: str, *arguments: Any) -> bool:
        convolutions.contracted.py_func(*arguments)
        ran.append(name)
        return True

    loops.available()  # collects the loops before one is replaced
    with monkeypatch.context() as patch:
        patch.setattr(loops, "run", run)
        patch.setattr(convolutions, "transposed", partial(run_guarded, "transposed"))
        check_contracted(ran, **data.draw(contractions(k, n_vectors)))


# ----------------------------------------------------------------------------------------- ratios


ANY = Multiplier(torch.ones(1, 1, 1, 1, 1))
"""A multiplier that the loops accept; ratios do not depend on its values."""


@pytest.mark.fuzz
@given(st.data())
def test_ratios_of_max_pooling_agree(ran: list[str], data: st.DataObject) -> None:
    ran.clear()
    x, b, window = data.draw(activations())
    sides = [data.draw(kept(planes, window)) for planes in (x, b)]
    found = kernels.pool_ratios(ANY, *sides)
    assert found is not None
    assert ran == ["pool_ratios"]
    ratio, offset = literal.pool_ratios(x, b, window)
    check(found[0], ratio, np.abs(ratio))
    assert np.array_equal(found[1].numpy(), offset)


@pytest.mark.parametrize("n_ratios", [1, 6])
def test_ratios_of_max_pooling_continue_those_behind_it(ran: list[str], n_ratios: int) -> None:
    rng = np.random.default_rng(0)
    planes = rng.normal(size=(2, 5, 6, 4)), rng.normal(size=(3, 5, 6, 4))
    sides = [
        [torch.from_numpy(each) for each in (side, *literal_kept(side, (2, 2)))] for side in planes
    ]
    behind, needed = torch.rand(n_ratios, 1, 5, 3, 2), torch.rand(6, 3, 2) > 0.5
    found = kernels.pool_ratios(Multiplier(torch.ones(1, 1, 5, 3, 2), behind, None, needed), *sides)
    assert found is not None
    assert ran == ["pool_ratios"]
    ratio, offset = (
        each * needed[:, None, None].numpy() for each in literal.pool_ratios(*planes, (2, 2))
    )
    check(found[0], ratio * behind.double().numpy(), np.abs(ratio))
    assert np.array_equal(found[1].numpy(), offset)


def literal_kept(planes: NDArray[Any], window: tuple[int, int]) -> tuple[NDArray[Any], ...]:
    pooled = literal.pooled(planes, window)
    return pooled.largest, pooled.index, pooled.offset


@pytest.mark.fuzz
@given(st.data())
def test_ratios_of_relu_agree(ran: list[str], data: st.DataObject) -> None:
    ran.clear()
    planes = [side.astype(np.float32) for side in data.draw(activations())[:2]]
    stored = [laid_out(data.draw, torch.from_numpy(side)) for side in planes]
    found = kernels.relu_ratios(ANY, *stored)
    assert found is not None
    assert ran == ["relu_ratios"]
    ratio = literal.relu_ratios(*(side.astype(np.float64) for side in planes))
    check(found, ratio, np.abs(ratio))
