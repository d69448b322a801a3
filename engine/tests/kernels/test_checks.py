"""Arguments that do not fit are refused before a loop runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from deepshap import kernels
from deepshap.kernels import layout, loops
from deepshap.multiplier import Multiplier, Positions

from . import literal

pytestmark = pytest.mark.usefixtures("any_work")

ROWS, RATIO = torch.ones(2, 3, 20, 3, 3), torch.ones(2, 1, 20, 3, 3)
OFFSET = torch.zeros(2, 1, 20, 3, 3, dtype=torch.uint8)
POOLED = Multiplier(ROWS, RATIO, Positions(OFFSET, (6, 6), (2, 2)))
TRANSPOSED: dict[str, Any] = {
    "multiplier": Multiplier(ROWS, RATIO),
    "weight": torch.ones(20, 5, 2, 2),
    "stride": (1, 1),
    "padding": (0, 0),
    "size": (4, 4),
}


@pytest.fixture
def no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test if a loop would run, before it touches memory."""

    def run(name: str, *arguments: Any) -> bool:
        raise AssertionError(f"{name} would have run")

    monkeypatch.setattr(loops, "run", run)


def transpose(**changes: Any) -> Tensor | None:
    arguments = TRANSPOSED | changes
    return kernels.transposed(**arguments | {"weight": kernels.Weight(arguments["weight"])})


def pooled(**changes: Any) -> Multiplier:
    settings: dict[str, Any] = {"index": OFFSET, "plane": (6, 6), "window": (2, 2)}
    return Multiplier(ROWS, RATIO, Positions(**settings | changes))


@pytest.mark.usefixtures("no_loop")
@pytest.mark.parametrize(
    "changes",
    [
        {"weight": torch.ones(19, 5, 2, 2)},
        {"weight": torch.ones(21, 5, 2, 2)},
        {"weight": torch.ones(20, 5, 2, 2, dtype=torch.float64)},
        {"weight": torch.ones(20, 5, 2, 2, dtype=torch.float16)},
        {"stride": (0, 1)},
        {"stride": (1, -1)},
        {"padding": (0, -1)},
        {"size": (-1, 4)},
        {"needed": torch.ones(3, 4, 4) > 0},
        {"needed": torch.ones(2, 3, 4) > 0},
        {"needed": torch.ones(2, 4, 4)},
        {"multiplier": Multiplier(ROWS, RATIO, needed=torch.ones(3, 3, 3) > 0)},
        {"multiplier": Multiplier(ROWS, RATIO, needed=torch.ones(2, 3, 4) > 0)},
        {"multiplier": Multiplier(ROWS, RATIO, needed=torch.ones(2, 3, 3))},
        {"waiting": Multiplier(torch.ones(2, 3, 16, 5, 4)), "weight": torch.ones(20, 16, 2, 2)},
        {"waiting": Multiplier(torch.ones(2, 4, 16, 4, 4)), "weight": torch.ones(20, 16, 2, 2)},
        {"multiplier": Multiplier(ROWS, RATIO[:1].expand(3, -1, -1, -1, -1))},
        {"multiplier": Multiplier(ROWS.expand(2, 3, 20, 3, 3)[:0], RATIO)},
        {"multiplier": Multiplier(ROWS[:0], RATIO[:0])},
        {"multiplier": Multiplier(ROWS[:1], RATIO[:0])},
        {"multiplier": Multiplier(ROWS[:, :0], RATIO)},
        {"multiplier": Multiplier(ROWS, RATIO.expand(-1, 3, -1, -1, -1))},
        {"multiplier": pooled(index=OFFSET.expand(-1, 3, -1, -1, -1))},
        {"multiplier": pooled(window=(17, 16), plane=(51, 48))},
        {"multiplier": Multiplier(ROWS, torch.ones(2, 1, 19, 3, 3))},
        {"multiplier": Multiplier(ROWS, torch.ones(2, 1, 20, 3, 4))},
        {"multiplier": Multiplier(ROWS, RATIO.double())},
        {"multiplier": Multiplier(ROWS, RATIO > 0)},
        {"multiplier": pooled(plane=(5, 6))},
        {"multiplier": pooled(plane=(6, 5))},
        {"multiplier": pooled(window=(3, 2))},
        {"multiplier": pooled(window=(0, 2))},
        {"multiplier": pooled(window=(2, -1))},
        {"multiplier": pooled(index=OFFSET.long())},
        {"multiplier": pooled(index=OFFSET.to(torch.int8))},
        {"multiplier": pooled(index=OFFSET[:, :, :19])},
        {"multiplier": pooled(index=OFFSET[:1].expand(3, -1, -1, -1, -1))},
    ],
)
def test_a_transposed_convolution_refuses_what_does_not_fit(changes: dict[str, Any]) -> None:
    with pytest.raises((ValueError, RuntimeError)):
        transpose(**changes)


@pytest.mark.usefixtures("no_loop")
@pytest.mark.parametrize(
    "multiplier",
    [
        Multiplier(ROWS.double(), RATIO.double()),
        Multiplier(ROWS.half(), RATIO.half()),
        Multiplier(ROWS[..., 0], RATIO[..., 0]),
        pooled(window=None),
    ],
)
def test_pytorch_computes_with_multipliers_that_loops_do_not_accept(multiplier: Multiplier) -> None:
    assert transpose(multiplier=multiplier) is None


def test_a_transposed_convolution_ignores_offsets_outside_the_window(ran: list[str]) -> None:
    found = transpose(multiplier=pooled(index=OFFSET + 4), size=(7, 7))
    assert found is not None
    assert not found.any()
    assert ran == ["transposed"]


CONTRACTED: dict[str, Any] = {
    "multiplier": POOLED,
    "weight": torch.ones(20, 2 * 4 * 4, 1, 4),  # 3 × 3 seen from windows of 2 × 2
    "images": torch.ones(1, 3, 3, 2, 4, 4),
    "background": torch.ones(2, 3, 3, 2, 4, 4),
    "pieces": [slice(0, 2)],
    "step": (2, 2),
    "plane": (8, 8),
}


def contract(**changes: Any) -> list[Tensor] | None:
    arguments = CONTRACTED | changes
    return kernels.contracted(**arguments | {"weight": kernels.Weight(arguments["weight"])})


def test_a_contraction_accepts_what_fits(ran: list[str]) -> None:
    assert contract() is not None
    assert ran == ["contracted"]


@pytest.mark.usefixtures("no_loop")
@pytest.mark.parametrize(
    "changes",
    [
        {"weight": torch.ones(19, 32, 1, 4)},
        {"weight": torch.ones(20, 32, 1, 3)},
        {"weight": torch.ones(20, 32, 2, 2)},
        {"weight": torch.ones(20, 31, 1, 4)},
        {"weight": torch.ones(20, 32, 1, 4, dtype=torch.float64)},
        {"images": torch.ones(2, 3, 3, 2, 4, 4)},
        {"images": torch.ones(1, 3, 3, 2, 4, 5)},
        {"images": torch.ones(1, 2, 3, 2, 4, 4), "background": torch.ones(2, 2, 3, 2, 4, 4)},
        {"images": torch.ones(1, 3, 4, 2, 4, 4), "background": torch.ones(2, 3, 4, 2, 4, 4)},
        {"images": torch.ones(1, 3, 3, 1, 4, 4), "background": torch.ones(2, 3, 3, 1, 4, 4)},
        {"images": torch.ones(1, 3, 3, 2, 4, 5), "background": torch.ones(2, 3, 3, 2, 4, 5)},
        {"background": torch.ones(3, 3, 3, 2, 4, 4)},
        {"pieces": [slice(0, 2), slice(1, 3)]},
        {"pieces": [slice(-1, 1)]},
        {"pieces": [slice(1, 1)]},
        {"pieces": [slice(0, 2, 2)]},
        {"step": (3, 2)},
        {"step": (0, 2)},
        {"step": (2, -1)},
        {"plane": (7, 8)},
        {"plane": (8, 7)},
        {"multiplier": pooled(window=(0, 2))},
        {"multiplier": pooled(index=OFFSET.long())},
        {"multiplier": Multiplier(ROWS, RATIO.double(), POOLED.positions)},
    ],
)
def test_a_contraction_refuses_what_does_not_fit(changes: dict[str, Any]) -> None:
    with pytest.raises((ValueError, RuntimeError)):
        contract(**changes)


@pytest.mark.usefixtures("no_loop")
def test_a_contraction_refuses_an_offset_outside_its_window() -> None:
    with pytest.raises(ValueError, match="an offset is outside its window"):
        contract(multiplier=pooled(index=OFFSET + 4))


@pytest.mark.usefixtures("no_loop")
def test_pytorch_computes_where_offsets_need_more_than_32_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert transpose(padding=(0, 2**31)) is None
    monkeypatch.setattr(layout, "OFFSET_LIMIT", len(POOLED.rows[0].flatten()) + 1)
    assert transpose() is None
    assert contract() is None
    monkeypatch.setattr(layout, "OFFSET_LIMIT", 20 * 32 * 7)  # c * channels * (window + width)
    assert contract() is None
    monkeypatch.setattr(layout, "OFFSET_LIMIT", 20 * 32 * 7 + 1)
    with pytest.raises(AssertionError, match="contracted would have run"):
        contract()


def test_a_contraction_over_no_pieces_is_empty() -> None:
    assert contract(pieces=[]) == []


def side(n: int) -> list[Tensor]:
    """The tensors saved by a max pool of 4 × 4 planes with 2 × 2 windows."""
    planes = torch.rand(n, 3, 4, 4, dtype=torch.float64)
    kept = literal.pooled(planes.numpy(), (2, 2))
    return [planes, *map(torch.from_numpy, (kept.largest, kept.index, kept.offset))]


def changed(at: int, change: Callable[[Tensor], Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Both sides of a max pool, with one tensor of the image changed."""
    image = side(2)
    image[at] = change(image[at])
    return image, side(3)


@pytest.mark.usefixtures("no_loop")
@pytest.mark.parametrize("is_background", [False, True])
@pytest.mark.parametrize(
    ("at", "change"),
    [
        (0, lambda planes: planes.float()),
        (0, lambda planes: planes[:1]),
        (0, lambda planes: planes[:, :2]),
        (0, lambda planes: planes[..., :3]),
        (1, lambda largest: largest[..., :1]),
        (1, lambda largest: largest[:1]),
        (1, lambda largest: largest.float()),
        (2, lambda index: index[:, :2]),
        (2, lambda index: index.double()),
        (2, lambda index: index.int()),
        (3, lambda offset: offset[:1]),
        (3, lambda offset: offset.long()),
    ],
)
def test_max_pooling_refuses_what_does_not_fit(
    at: int, change: Callable[[Tensor], Tensor], is_background: bool
) -> None:
    image, background = changed(at, change)
    sides = (background, image) if is_background else (image, background)
    with pytest.raises((ValueError, RuntimeError)):
        kernels.pool_ratios(Multiplier(ROWS), *sides)


@pytest.mark.usefixtures("no_loop")
@pytest.mark.parametrize("is_background", [False, True])
@pytest.mark.parametrize("beyond", [16, -16])
def test_max_pooling_refuses_a_position_outside_its_plane(beyond: int, is_background: bool) -> None:
    image, background = changed(2, lambda index: index + beyond)
    sides = (background, image) if is_background else (image, background)
    with pytest.raises(ValueError, match="a position is outside its plane"):
        kernels.pool_ratios(Multiplier(ROWS), *sides)


@pytest.mark.usefixtures("no_loop")
@pytest.mark.parametrize(
    "multiplier",
    [
        Multiplier(ROWS, torch.ones(2, 1, 3, 2, 2)),
        Multiplier(ROWS, torch.ones(6, 1, 4, 2, 2)),
        Multiplier(ROWS, torch.ones(6, 1, 3, 2, 3)),
        Multiplier(ROWS, torch.ones(6, 2, 3, 2, 2)),
        Multiplier(ROWS, torch.ones(6, 1, 3, 2, 2).double()),
        Multiplier(ROWS, needed=torch.ones(5, 2, 2) > 0),
        Multiplier(ROWS, needed=torch.ones(6, 2, 3) > 0),
        Multiplier(ROWS, needed=torch.ones(6, 2, 2)),
    ],
)
def test_max_pooling_refuses_a_multiplier_that_does_not_fit(multiplier: Multiplier) -> None:
    with pytest.raises((ValueError, RuntimeError)):
        kernels.pool_ratios(multiplier, side(2), side(3))


@pytest.mark.usefixtures("no_loop")
@pytest.mark.parametrize(
    "other", [torch.ones(3, 20, 3, 4), torch.ones(3, 19, 3, 3), torch.ones(3, 20, 3, 3).double()]
)
def test_relu_refuses_what_does_not_fit(other: Tensor) -> None:
    own = torch.ones(2, 20, 3, 3)
    for sides in ((own, other), (other, own)):
        with pytest.raises(ValueError, match="the inputs of both sides differ"):
            kernels.relu_ratios(POOLED, *sides)
