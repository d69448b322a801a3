"""Whatever the operations and their arguments: sums are right, or operation and place are named."""

from __future__ import annotations

import re
import warnings

import pytest
import torch
from hypothesis import assume, given, note, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from deepshap import DeepShap, UnsupportedOperation

from .drawn_networks import ALL, F64, SHAPE, draw_network

PLACE = re.compile(r"\w+ at (steps\.\d+ \(Step\)|Drawn\b)\S*: \S")
OF_PYTHON = ("object has no attribute", "object is not", "unhashable", "ambiguous", "Error:")


def images(n: int, seed: int) -> Tensor:
    return torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=F64)


def check(network: nn.Module, x: Tensor, background: Tensor) -> str:
    """Assert that a network is explained rightly or refused; returns the refusal."""
    with torch.no_grad():
        change = network(x) - network(background).mean(0)
    if not bool(change.isfinite().all()):
        return "not finite"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = DeepShap(network, background).attribute(x)
    except UnsupportedOperation as error:
        message = str(error)
        assert PLACE.match(message), message
        assert not any(part in message for part in OF_PYTHON), message
        return message
    sums, size = values.sum((1, 2, 3)), values.abs().sum((1, 2, 3))
    assert bool(((sums - change).abs() <= 1e-7 * size + 1e-9).all()), (sums - change, size)
    return ""


SEEDS = st.tuples(st.sampled_from(sorted(ALL)), st.integers(0, 2**32 - 1))


@pytest.mark.fuzz
@settings(max_examples=settings.default.max_examples // 3)  # each is exported
@given(st.lists(SEEDS, min_size=1, max_size=3))
def test_a_drawn_network_is_explained_or_refused_by_name(seeds: list[tuple[str, int]]) -> None:
    x, background = images(2, 0), images(3, 1)
    network = draw_network(seeds, torch.cat([x, background]))
    assume(len(network.steps))
    note(str(network))
    check(network, x, background)
