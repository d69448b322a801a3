"""Loops and PyTorch agree, each computes where it should, and results are the same to the bit."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from deepshap import DeepShap, kernels
from deepshap.kernels import loops
from deepshap.multiplier import Multiplier

from .. import zoo
from ..architectures import ARCHITECTURES
from ..networks import NETWORKS, behind, build, explainer_of, images, initialise, shared
from ..test_torchvision import QUICK

F32, F64 = torch.float32, torch.float64

CLOSE = 1e-6
"""Error relative to the largest attribution: several times the 1.2e-7 of float32."""

ROUNDED_TWICE = 4e-6
"""The bound for deep networks, where float32 is off by up to 2e-6: see `test_torchvision`."""

FAST = ("densenet", "resnet")
"""Networks with dense connections and sums, ten times as fast as most others."""

RECTIFIED, POOLED = {"contracted", "transposed", "relu_ratios"}, {"pool_ratios"}
EXPECTED = {
    "lenet": (28, RECTIFIED | POOLED),
    "convnet": (28, RECTIFIED | POOLED),
    "resnet": (12, RECTIFIED),
}
"""Networks, with the side of their images and the loops that their layers use."""


def check_agreement(
    network: nn.Module,
    x: Tensor,
    background: Tensor,
    bound: float,
    monkeypatch: pytest.MonkeyPatch,
    outputs: Sequence[int] | None = None,
) -> None:
    explainer = explainer_of(network, background)
    by_loops = explainer.attribute(x, outputs)
    with monkeypatch.context() as patch:
        patch.setattr(loops, "available", dict)
        by_pytorch = explainer.attribute(x, outputs)
    error = (by_loops - by_pytorch).abs().max()
    assert error <= bound * by_pytorch.abs().max()


@pytest.mark.usefixtures("any_work")
@pytest.mark.parametrize("name", NETWORKS)
def test_loops_and_pytorch_agree(
    name: str, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, background = images(3, F32), images(5, F32, seed=2)
    check_agreement(shared(name, F32), x, background, CLOSE, monkeypatch)
    assert bool(ran) == (name != "linear alone")  # it has no zeros to skip


@pytest.mark.usefixtures("any_work")
@pytest.mark.parametrize(
    "family",
    [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in QUICK],
)
def test_loops_and_pytorch_agree_on_networks_of_torchvision(
    family: str, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = QUICK[family]
    x, background = zoo.images(2, case.side, seed=1), zoo.images(3, case.side, seed=2)
    check_agreement(zoo.ready(case), x, background, ROUNDED_TWICE, monkeypatch, [0, 1])
    assert "contracted" in ran


@functools.cache
def architecture(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A network, images, and background images, made once in a process."""
    side, _ = EXPECTED[name]
    torch.manual_seed(0)
    network = ARCHITECTURES[name](1, (side, side), 10).eval()
    initialise(network)
    generator = torch.Generator().manual_seed(1)
    x, background = (torch.rand(n, 1, side, side, generator=generator) for n in (3, 23))
    return network, x, background


@pytest.mark.parametrize("name", EXPECTED)
def test_loops_and_pytorch_agree_on_networks_that_users_train(
    name: str, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    check_agreement(*architecture(name), CLOSE, monkeypatch)
    assert set(ran) == EXPECTED[name][1]


@pytest.mark.parametrize("name", EXPECTED)
def test_bits_do_not_depend_on_threads_number_of_images_or_batch_size(
    name: str, ran: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums over a piece of at most ten background images come first; chunks hold more than one."""
    network, x, background = architecture(name)
    expected = explainer_of(network, background).attribute(x)
    for chunk_mib, threads in ((200, 1), (64, 2), (16, 3), (8, 1)):
        monkeypatch.setattr(torch, "get_num_threads", lambda n=threads: n)
        explainer = explainer_of(network, background, chunk_mib=chunk_mib)
        assert torch.equal(explainer.attribute(x), expected), (chunk_mib, threads)
        alone = [explainer.attribute(image[None]) for image in x]
        assert torch.equal(torch.cat(alone), expected), (chunk_mib, threads)
    assert "contracted" in ran


@pytest.mark.usefixtures("any_work")
@pytest.mark.parametrize("name", [*NETWORKS, *EXPECTED])
def test_bits_do_not_depend_on_the_number_of_registers(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as AVX-512 has, and as many as AVX2 and NEON have."""
    if name in EXPECTED:
        network, x, background = architecture(name)
    else:
        network, x, background = shared(name, F32), images(3, F32), images(5, F32, seed=2)
    values = []
    for n_registers in (32, 8):
        monkeypatch.setattr(loops, "n_registers", lambda n=n_registers: n)
        values.append(explainer_of(network, background).attribute(x))
    assert torch.equal(*values)


POOLS = {
    "overlapping": nn.MaxPool2d(3, 2),
    "with gaps": nn.MaxPool2d(2, 3),
    "padded": nn.MaxPool2d(2, padding=1),
    "dilated": nn.MaxPool2d(2, dilation=2),
    "cut": nn.MaxPool2d(3, ceil_mode=True),
    "adaptive": nn.AdaptiveMaxPool2d(4),
}


def loops_of(network: nn.Module, ran: list[str], dtype: torch.dtype = F32) -> set[str]:
    """The loops that explain a network."""
    ran.clear()
    explainer = explainer_of(network, images(3, dtype))
    explainer.attribute(images(2, dtype, seed=2))
    return set(ran)


@pytest.mark.usefixtures("any_work")
@pytest.mark.parametrize("name", POOLS)
def test_pytorch_pools_where_windows_do_not_lie_side_by_side(name: str, ran: list[str]) -> None:
    assert "pool_ratios" in loops_of(shared("conv relu pool", F32), ran)
    special = build(lambda: behind(nn.ReLU(), POOLS[name]), F32)
    assert "pool_ratios" not in loops_of(special, ran)


@pytest.mark.usefixtures("any_work")
@pytest.mark.parametrize("setting", ["dilation", "groups"])
def test_pytorch_transposes_convolutions_with_dilation_or_groups(
    setting: str, ran: list[str]
) -> None:
    assert "transposed" in loops_of(shared("one module twice", F32), ran)
    special = build(lambda: behind(nn.ReLU(), nn.Conv2d(4, 4, 3, **{setting: 2})), F32)
    assert loops_of(special, ran) == {"relu_ratios", "contracted"}


@pytest.mark.usefixtures("any_work")
def test_a_loop_transposes_each_linear_layer_but_the_last(ran: list[str]) -> None:
    layers = nn.Linear(32, 40), nn.ReLU(), nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 3)
    network = nn.Sequential(nn.Flatten(), *layers).eval()
    DeepShap(network, torch.zeros(1, 2, 4, 4)).attribute(torch.ones(1, 2, 4, 4))
    assert ran.count("transposed") == 2


@pytest.mark.usefixtures("any_work")
@pytest.mark.parametrize("name", ["conv relu pool", "standardized", "residual"])
def test_pytorch_computes_in_float64(name: str, ran: list[str]) -> None:
    assert loops_of(shared(name, F32), ran)
    assert not loops_of(shared(name, F64), ran, F64)


def test_pytorch_computes_on_other_devices(ran: list[str]) -> None:
    rows = torch.empty(1, 3, 4, 5, 5, device="meta")
    weight = kernels.Weight(torch.empty(4, 2, 3, 3, device="meta"))
    assert kernels.transposed(Multiplier(rows), weight, (1, 1), (0, 0), (7, 7)) is None
    assert not ran


def test_pytorch_transposes_where_listing_would_cost_more(ran: list[str]) -> None:
    """With one channel, one output and a 1×1 kernel, 15 of a vector's 16 numbers are padding."""
    rows, ratio = torch.ones(2, 1, 4, 5, 5), torch.ones(2, 1, 4, 5, 5)
    weight = kernels.Weight(torch.ones(4, 1, 1, 1))
    assert kernels.transposed(Multiplier(rows, ratio), weight, (1, 1), (0, 0), (5, 5)) is None
    assert not ran
