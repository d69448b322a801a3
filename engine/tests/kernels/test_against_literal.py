"""The compiled loops against a literal implementation, with guards around every array."""

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
from deepshap.kernels import convolutions
from deepshap.multiplier import Multiplier

from . import literal
from .drawn import (
    Case,
    activations,
    contractions,
    kept,
    laid_out,
    of_vectors,
    transpositions,
)
from .guarded import run_guarded

pytestmark = pytest.mark.usefixtures("any_work")

SIZES = [
    *[(1, 1), (1, 3), (2, 1), (3, 1), (3, 2), (3, 4), (4, 5), (7, 5), (10, 2), (13, 1), (13, 3)],
    *[(27, 1), (27, 3), (40, 1), (40, 2), (40, 5)],
]
"""Outputs k, and vectors of 16 that hold the channels written.

Few, because each compiles loops of its own; `test_for_any_number_of_outputs` takes the others.
"""

ROUNDING = 1e-6
"""Of what a sum adds up, each number counted by its size: some of float32's 6e-8."""


def check(found: Tensor, expected: NDArray[Any], sizes: NDArray[Any]) -> None:
    """Equal to float32's rounding; where nothing was added up, exactly 0."""
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
def test_a_convolution_is_transposed_as_literally(ran: list[str], data: st.DataObject) -> None:
    ran.clear()
    k, n_vectors = data.draw(st.sampled_from(SIZES))
    drawn = data.draw(transpositions(k, data.draw(of_vectors(n_vectors))))
    check_transposed(ran, **drawn)


def test_more_channels_than_any_block(ran: list[str]) -> None:
    """Read and written; the written ones do not fill the last block."""
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


@pytest.mark.slow
@pytest.mark.parametrize("k", range(1, 41))
@given(st.data())
@settings(max_examples=10)
def test_for_any_number_of_outputs(ran: list[str], k: int, data: st.DataObject) -> None:
    ran.clear()
    check_transposed(ran, **data.draw(transpositions(k, data.draw(st.integers(1, 70)))))
    ran.clear()
    check_contracted(ran, **data.draw(contractions(k, data.draw(st.integers(1, 5)))))


# ------------------------------------------------------------------ the first layer's contraction


def contract(
    case: Case, weight: NDArray[Any], images: NDArray[Any], background: NDArray[Any], **more: Any
) -> list[Tensor] | None:
    flat = torch.from_numpy(weight).flatten(2).transpose(1, 2).unsqueeze(2)
    places = weight.shape[3:], more["step"], case.factors.rows.shape[3:]
    sides = (torch.from_numpy(literal.under(side, *places)) for side in (images, background))
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
    size = images[:, None] + background[None]  # of the change, which is rounded too
    sizes = literal.contracted(case.factors.sizes(), np.abs(weight), size, pieces, step)
    check(torch.stack(found), expected, sizes)


@pytest.mark.fuzz
@given(st.data())
def test_a_first_convolution_is_contracted_as_literally(
    ran: list[str], data: st.DataObject
) -> None:
    ran.clear()
    check_contracted(ran, **data.draw(contractions(*data.draw(st.sampled_from(SIZES)))))


@pytest.mark.parametrize(("k", "n_vectors"), [(1, 1), (7, 3), (10, 2), (13, 3), (27, 1)])
@given(data=st.data())
def test_what_a_contraction_adds_up_lies_between_guards_too(
    monkeypatch: pytest.MonkeyPatch, k: int, n_vectors: int, data: st.DataObject
) -> None:
    """Its sums are no argument; in Python they go to a guarded loop, part by part."""
    ran: list[str] = []

    def run(name: str, *arguments: Any) -> bool:
        convolutions.contracted.py_func(*arguments)
        ran.append(name)
        return True

    with monkeypatch.context() as patch:
        patch.setattr(kernels, "_run", run)
        patch.setattr(convolutions, "transposed", partial(run_guarded, "transposed"))
        check_contracted(ran, **data.draw(contractions(k, n_vectors)))


# ----------------------------------------------------------------------------------------- ratios


ANY = Multiplier(torch.ones(1, 1, 1, 1, 1))
"""A multiplier that loops take: its values do not enter ratios."""


@pytest.mark.fuzz
@given(st.data())
def test_the_ratios_of_max_pooling_are_the_literal_ones(
    ran: list[str], data: st.DataObject
) -> None:
    ran.clear()
    x, b, window = data.draw(activations())
    sides = [data.draw(kept(planes, window)) for planes in (x, b)]
    found = kernels.pool_ratios(ANY, *sides)
    assert found is not None
    assert ran == ["pool_ratios"]
    ratio, offset = literal.pool_ratios(x, b, window)
    check(found[0], ratio, np.abs(ratio))
    assert np.array_equal(found[1].numpy(), offset)


@pytest.mark.fuzz
@given(st.data())
def test_the_ratios_of_relu_are_the_literal_ones(ran: list[str], data: st.DataObject) -> None:
    ran.clear()
    planes = [side.astype(np.float32) for side in data.draw(activations())[:2]]
    stored = [laid_out(data.draw, torch.from_numpy(side)) for side in planes]
    found = kernels.relu_ratios(ANY, *stored)
    assert found is not None
    assert ran == ["relu_ratios"]
    ratio = literal.relu_ratios(*(side.astype(np.float64) for side in planes))
    check(found, ratio, np.abs(ratio))
