"""The compiled loops against a literal implementation, with guards around every array."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from stages.deepshap import kernels
from stages.deepshap.multiplier import Multiplier, Places

from . import literal_kernels as literal

N_WRITTEN = {"transposed": 1, "contracted": 1, "pool_ratios": 2, "relu_ratios": 1}
"""How many of a loop's last arguments it writes."""

GUARD = 4099
"""Numbers on either side of an array: an odd count, so that arrays lie on no vector's boundary."""

SIZES = [
    *[(1, 1), (1, 3), (2, 1), (3, 1), (3, 2), (3, 4), (4, 5), (7, 5), (10, 2), (13, 1), (13, 3)],
    *[(27, 1), (27, 3), (40, 1), (40, 2), (40, 5)],
]
"""Outputs k, and vectors of 16 that hold the channels written; every block's size is compiled."""

ROUNDING = 1e-6
"""Of what a sum adds up, each number counted by its size: some of float32's 6e-8."""


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which loops ran, whatever the work: each on copies of its arrays that lie between guards.

    A guard around floats is NaN, which shows in every sum that reads it.
    """
    names: list[str] = []
    run = kernels._run

    def guarded(name: str, *arguments: Any) -> bool:
        first_written = len(arguments) - N_WRITTEN[name]
        copies = [
            _Guarded(one, at >= first_written, name != "contracted")
            if isinstance(one, np.ndarray)
            else one
            for at, one in enumerate(arguments)
        ]
        arrays = [one for one in copies if isinstance(one, _Guarded)]
        done = run(name, *(one.inside if isinstance(one, _Guarded) else one for one in copies))
        for one in arrays:
            one.check()
        names.append(name)
        return done

    monkeypatch.setattr(kernels, "_run", guarded)
    monkeypatch.setattr(kernels, "_LEAST_WORK", 0)
    return names


class _Guarded:
    """An array's copy between guards."""

    def __init__(self, array: NDArray[Any], is_written: bool, as_new: bool) -> None:
        assert array.flags.c_contiguous
        number = {"f": np.nan, "i": -1, "u": 0xA5 if is_written else 0}[array.dtype.kind]
        self._whole = np.full(array.size + 2 * GUARD, number, array.dtype)
        self._array, self._is_written = array, is_written
        self.inside = self._whole[GUARD:-GUARD].reshape(array.shape)
        if not (is_written and as_new):  # else what is not written shows too
            self.inside[...] = array
        self._before = self._whole.copy()

    def check(self) -> None:
        """Nothing else was written; copy back what was."""
        kept = np.ones(len(self._whole), bool)
        kept[GUARD:-GUARD] = not self._is_written
        assert self._whole[kept].tobytes() == self._before[kept].tobytes()
        self._array[...] = self.inside


@dataclass(frozen=True)
class Case:
    """A multiplier as the engine hands it over, and what it says."""

    multiplier: Multiplier
    factors: literal.Factors

    @property
    def k(self) -> int:
        return self.factors.rows.shape[1]


def generator(draw: st.DrawFn) -> np.random.Generator:
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


@st.composite
def cases(
    draw: st.DrawFn, n_pairs: int, k: int, *, most_channels: int = 70, longest: int = 7
) -> Case:
    """Multipliers of planes, their rows in any order of memory, behind a pool or not."""
    rng = generator(draw)
    h, w = draw(st.integers(1, longest)), draw(st.integers(1, longest))
    c = draw(st.integers(1, most_channels))
    window = draw(st.sampled_from([None, (1, 1), (2, 2), (3, 2)]))
    n_rows, n_ratios, n_offsets = (draw(st.sampled_from([1, n_pairs])) for _ in range(3))
    rows = rng.normal(size=(n_rows, k, c, h, w)).astype(np.float32)
    stored = laid_out(draw, torch.from_numpy(rows))
    if draw(st.booleans()):
        stored = stored.expand(n_pairs if n_rows == 1 else n_rows, -1, -1, -1, -1)
    ratio = None
    if draw(st.integers(0, 3)):
        sides = [draw(st.sampled_from([1, side])) for side in (c, h, w)]
        sides = sides if draw(st.booleans()) else [c, h, w]
        ratio = rng.normal(size=(n_ratios, 1, *sides)).astype(np.float32)
        ratio *= rng.random(ratio.shape) < draw(st.sampled_from([0, 0.2, 0.5, 1]))
    places, plane = None, (h, w)
    offset = np.zeros((1, 1, c, h, w), np.uint8)
    if window is not None:
        beyond = draw(st.integers(0, 2)), draw(st.integers(0, 2))
        plane = h * window[0] + beyond[0], w * window[1] + beyond[1]
        offset = rng.integers(0, math.prod(window), (n_offsets, 1, c, h, w), np.uint8)
        places = Places(laid_out(draw, torch.from_numpy(offset)), plane, window)
    kept = None if ratio is None else laid_out(draw, torch.from_numpy(ratio))
    ones = np.ones((1, 1, 1, 1, 1)) if ratio is None else ratio.astype(np.float64)
    full = stored.numpy().astype(np.float64)
    factors = literal.Factors(full, ones, offset.astype(np.int64), window or (1, 1), plane)
    return Case(Multiplier(stored, kept, places), factors)


def laid_out(draw: st.DrawFn, values: Tensor) -> Tensor:
    """The same values in some order of memory, perhaps every other one of more."""
    order = draw(st.permutations(range(values.ndim)))
    back = [order.index(axis) for axis in range(values.ndim)]
    if draw(st.booleans()):
        return values.permute(*order).contiguous().permute(*back)
    steps = [draw(st.sampled_from([1, 2])) for _ in order]
    sides = [2 + step * values.shape[axis] for axis, step in zip(order, steps, strict=True)]
    other = torch.nan if values.is_floating_point() else 0xA5
    slices = [
        slice(1, 1 + step * values.shape[axis], step)
        for axis, step in zip(order, steps, strict=True)
    ]
    view = torch.full(sides, other, dtype=values.dtype)[tuple(slices)].permute(*back)
    return view.copy_(values)


def check(found: Tensor, expected: NDArray[Any], sizes: NDArray[Any]) -> None:
    """Equal to float32's rounding; where nothing was added up, exactly 0."""
    assert found.shape == expected.shape
    assert found.dtype == torch.float32
    error = np.abs(found.numpy() - expected)
    worst = np.unravel_index(np.argmax(error - ROUNDING * sizes), error.shape)
    assert error[worst] <= ROUNDING * sizes[worst], (worst, found.numpy()[worst], expected[worst])


# ------------------------------------------------------------------------ transposed convolutions


@st.composite
def transpositions(draw: st.DrawFn, k: int, written: int) -> dict[str, Any]:
    """A case, and a convolution whose input is as large as it says, or some rows larger."""
    case = draw(cases(draw(st.integers(1, 4)), k))
    kernel, stride = (tuple(draw(st.integers(1, most)) for _ in range(2)) for most in (4, 3))
    padding = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    sides = zip(case.factors.plane, stride, kernel, padding, strict=True)
    size = tuple(
        max(1, (side - 1) * step + tap - 2 * pad + draw(st.integers(0, 2)))
        for side, step, tap, pad in sides
    )
    weight = generator(draw).normal(size=(case.factors.rows.shape[2], written, *kernel))
    settings = {"stride": stride, "padding": padding, "size": size}
    return {"case": case, "weight": weight.astype(np.float32), **settings}


def check_transposed(ran: list[str], case: Case, weight: NDArray[Any], **settings: Any) -> None:
    found = kernels.transposed(
        case.multiplier, kernels.Weight(torch.from_numpy(weight)), **settings
    )
    assert found is not None
    assert ran == ["transposed"]
    wide, factors = weight.astype(np.float64), case.factors
    expected = literal.transposed(factors, wide, **settings)
    check(found, expected, literal.transposed(factors.sizes(), np.abs(wide), **settings))


def of_vectors(n_vectors: int) -> st.SearchStrategy[int]:
    """Channels that fill so many vectors, the last one not always."""
    return st.integers(16 * n_vectors - 15, min(16 * n_vectors, 70))


@pytest.mark.fuzz
@given(st.data())
def test_a_convolution_is_transposed_as_literally(ran: list[str], data: st.DataObject) -> None:
    ran.clear()
    k, n_vectors = data.draw(st.sampled_from(SIZES))
    drawn = data.draw(transpositions(k, data.draw(of_vectors(n_vectors))))
    check_transposed(ran, **drawn)


# ------------------------------------------------------------------ the first layer's contraction


PATCHES: dict[int, list[tuple[int, int, int]]] = {
    n: [
        (channels, tall, wide)
        for channels in (1, 2, 3)
        for tall in range(1, 7)
        for wide in range(1, 7)
        if -(-channels * tall * wide // 16) == n
    ]
    for n in range(1, 6)
}
"""Channels, height and width of patches that fill so many vectors."""


@st.composite
def contractions(draw: st.DrawFn, k: int, n_vectors: int) -> dict[str, Any]:
    """A case of images and background images, and a convolution that reads them."""
    n, b = draw(st.sampled_from([(1, 1), (1, 2), (2, 1), (1, 3), (2, 2), (1, 4)]))
    case = draw(cases(n * b, k, most_channels=40, longest=4))
    step = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    channels, *patch = draw(st.sampled_from(PATCHES[n_vectors]))
    sides = zip(case.factors.rows.shape[3:], step, patch, strict=True)
    image = [(side - 1) * far + size + draw(st.integers(0, 2)) for side, far, size in sides]
    rng = generator(draw)
    window = math.prod(case.factors.window)
    weight = rng.normal(size=(case.factors.rows.shape[2], window, channels, *patch))
    ends = st.lists(st.integers(0, b), min_size=2, max_size=2, unique=True).map(sorted)
    return {
        "case": case,
        "weight": weight.astype(np.float32),
        "images": rng.random((n, channels, *image), np.float32),
        "background": rng.random((b, channels, *image), np.float32),
        "pieces": [slice(*piece) for piece in draw(st.lists(ends, min_size=1, max_size=3))],
        "step": step,
    }


def contract(
    case: Case, weight: NDArray[Any], images: NDArray[Any], background: NDArray[Any], **more: Any
) -> list[Tensor] | None:
    flat = torch.from_numpy(weight).flatten(2).transpose(1, 2).unsqueeze(2)
    sides = torch.from_numpy(images), torch.from_numpy(background)
    more = {"patch": weight.shape[3:], **more}
    return kernels.contracted(case.multiplier, kernels.Weight(flat), *sides, **more)


@pytest.mark.fuzz
@given(st.data())
def test_a_first_convolution_is_contracted_as_literally(
    ran: list[str], data: st.DataObject
) -> None:
    ran.clear()
    drawn = data.draw(contractions(*data.draw(st.sampled_from(SIZES))))
    found = contract(**drawn)
    assert found is not None
    assert ran == ["contracted"]
    factors, pieces, step = (drawn["case"].factors, drawn["pieces"], drawn["step"])
    wide, images, background = (
        drawn[name].astype(np.float64) for name in ("weight", "images", "background")
    )
    change = images[:, None] - background[None]
    expected = literal.contracted(factors, wide, change, pieces, step)
    size = images[:, None] + background[None]  # of the change, which is rounded too
    sizes = literal.contracted(factors.sizes(), np.abs(wide), size, pieces, step)
    check(torch.stack(found), expected, sizes)


# ----------------------------------------------------------------------------------------- ratios


def multiplier(dtype: torch.dtype = torch.float32) -> Multiplier:
    """One that loops take: its values do not enter ratios."""
    return Multiplier(torch.ones(1, 1, 1, 1, 1, dtype=dtype))


@st.composite
def activations(
    draw: st.DrawFn,
) -> tuple[literal.Array, literal.Array, tuple[int, int]]:
    """Planes of images and of background images, with ties or without, and windows that fit."""
    rng = generator(draw)
    window = draw(st.sampled_from([(1, 1), (2, 2), (3, 2), (1, 4)]))
    plane = [side * draw(st.integers(1, 4)) + draw(st.integers(0, side - 1)) for side in window]
    c = draw(st.integers(1, 70))
    shapes = [(draw(st.integers(1, 3)), c, *plane) for _ in range(2)]
    if draw(st.booleans()):
        x, b = (rng.integers(-2, 3, shape).astype(np.float64) for shape in shapes)
    else:
        x, b = (rng.normal(size=shape) for shape in shapes)
    return x, b, window


@st.composite
def kept(draw: st.DrawFn, planes: literal.Array, window: tuple[int, int]) -> list[Tensor]:
    """What a max pool keeps of one side, in any order of memory."""
    pooled = literal.pooled(planes, window)
    arrays = planes, pooled.largest, pooled.index, pooled.offset
    return [laid_out(draw, torch.from_numpy(array)) for array in arrays]


@pytest.mark.fuzz
@given(st.data())
def test_the_ratios_of_max_pooling_are_the_literal_ones(
    ran: list[str], data: st.DataObject
) -> None:
    ran.clear()
    x, b, window = data.draw(activations())
    sides = [data.draw(kept(planes, window)) for planes in (x, b)]
    found = kernels.pool_ratios(multiplier(), *sides)
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
    found = kernels.relu_ratios(multiplier(), *stored)
    assert found is not None
    assert ran == ["relu_ratios"]
    ratio = literal.relu_ratios(*(side.astype(np.float64) for side in planes))
    check(found, ratio, np.abs(ratio))
