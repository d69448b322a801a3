"""The interface: shapes and dtypes of the results, refusals, and no side effects."""

import copy
import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from deepshap import DeepShap, UnsupportedOperation, engine
from deepshap.precision import Precision
from deepshap.rules import pooling

from .networks import NETWORKS, Function, behind, build, explainer_of, images, shared

F64 = torch.float64
FLAT = {"first": nn.Conv2d(2, 4, 3), "head": nn.Linear(256, 3)}


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_shapes_and_types(dtype: torch.dtype) -> None:
    network = shared("residual", dtype)
    background = images(4, dtype)
    explainer = explainer_of(network, background)
    values = explainer.attribute(images(3, dtype))
    assert values.shape == (3, 2, 10, 10, 3)
    assert values.dtype == explainer.base_values.dtype == dtype
    assert not values.requires_grad
    assert torch.allclose(explainer.base_values, network(background).mean(0))
    assert explainer.attribute(images(0, dtype)).shape == (0, 2, 10, 10, 3)


@pytest.mark.parametrize("name", NETWORKS)
def test_base_values_are_computed_in_float64(name: str) -> None:
    network = shared(name, torch.float32)
    background = images(9, torch.float32)
    found = explainer_of(network, background).base_values
    expected = copy.deepcopy(network).double()(background.double()).mean(0)
    assert torch.allclose(found.double(), expected, rtol=1e-7, atol=1e-12)


def test_devices_without_float64_compute_in_float32() -> None:
    class Metal(torch.Tensor):
        device = torch.device("mps")

    tensor = torch.rand(3)
    assert Precision(tensor).widened(tensor).dtype == torch.float64
    on_metal = tensor.as_subclass(Metal)
    assert Precision(on_metal).widened(on_metal) is on_metal


def _converted(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return net.head(net.first(x.float()).float().flatten(1))


def test_a_conversion_to_float32_inside_is_accepted() -> None:
    network = build(lambda: Function(_converted, **FLAT), torch.float32)
    x, background = images(2, torch.float32), images(3, torch.float32)
    values = DeepShap(network, background).attribute(x)
    expected = network(x) - network(background).mean(0)
    assert torch.allclose(values.sum((1, 2, 3)), expected, atol=1e-5)


def _reads_overwritten(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    x = net.first(x)
    y = F.relu(x, inplace=True)
    return net.head((x + y).flatten(1))


def _reads_overwritten_view(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    x = net.first(x)
    y = x.flatten(1)
    y += 1
    return net.head(x.flatten(1))


@pytest.mark.parametrize("forward", [_reads_overwritten, _reads_overwritten_view])
def test_tensors_that_are_read_after_an_in_place_change_add_up(forward) -> None:
    network = build(lambda: Function(forward, **FLAT), F64)
    x, background = images(2, F64), images(3, F64, seed=2)
    values = DeepShap(network, background).attribute(x)
    assert torch.allclose(values.sum((1, 2, 3)), network(x) - network(background).mean(0))


@pytest.mark.parametrize("name", NETWORKS)
def test_chosen_outputs_equal_those_of_a_call_for_all(name: str) -> None:
    explainer = explainer_of(shared(name, F64), images(5, F64))
    x = images(2, F64, seed=3)
    every = explainer.attribute(x)
    assert torch.allclose(explainer.attribute(x, outputs=[2, 0]), every[..., [2, 0]], atol=1e-13)


@pytest.mark.parametrize("name", NETWORKS)
def test_fast_paths_and_general_rules_agree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = shared(name, F64)
    x, background = images(3, F64), images(5, F64, seed=2)
    explainer = explainer_of(network, background)
    values = explainer.attribute(x)
    monkeypatch.setattr(engine, "first_convolutions", lambda program: {})
    for step in explainer._program.steps.values():
        if isinstance(step.rule, pooling.MaxPool):
            monkeypatch.setattr(step.rule, "window", None)
    assert torch.allclose(explainer_of(network, background).attribute(x), values, atol=1e-13)


def test_first_convolutions_are_found() -> None:
    def n_found(name: str) -> int:
        return len(explainer_of(shared(name, torch.float32), images(2, torch.float32))._first)

    assert n_found("conv relu pool") == 1
    assert n_found("standardized") == 1
    assert n_found("branches") == 2
    assert n_found("grouped") == 0
    assert n_found("pool of the images") == 0


@pytest.mark.parametrize(
    "name", ["conv relu pool", "residual", "branches", "squeeze and excitation"]
)
def test_runs_are_identical_to_the_bit(name: str) -> None:
    network = shared(name, torch.float32)
    x, background = images(3, torch.float32), images(20, torch.float32, seed=2)
    first = explainer_of(network, background).attribute(x)
    assert torch.equal(DeepShap(network, background).attribute(x), first)


@pytest.mark.parametrize(
    "name",
    ["in-place activations", "residual", "one module twice", "constants made in forward"],
)
def test_the_network_is_not_changed(name: str) -> None:
    network = build(NETWORKS[name], torch.float32)
    network.get_parameter(next(iter(network.state_dict()))).requires_grad_(False)
    before = copy.deepcopy(network)
    attributes = {module: set(vars(module)) for module in network.modules()}
    x, background = images(2, torch.float32), images(3, torch.float32, seed=2)
    threads = torch.get_num_threads()
    DeepShap(network, background).attribute(x)
    assert torch.equal(x, images(2, torch.float32))
    assert torch.get_num_threads() == threads
    assert network.state_dict().keys() == before.state_dict().keys()
    for key, value in before.state_dict().items():
        assert torch.equal(network.state_dict()[key], value)
    for module, same in zip(network.modules(), before.modules(), strict=True):
        assert module.training == same.training
        assert not module._forward_hooks
        assert not module._backward_hooks
        assert set(vars(module)) == attributes[module]
    for p, q in zip(network.parameters(), before.parameters(), strict=True):
        assert p.requires_grad == q.requires_grad
        assert p.grad is None


def _data_dependent(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return net.head(x.flatten(1)) if x.sum() > 0 else net.head(-x.flatten(1))


def _three_factors(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    x = x.flatten(1)[:, :3]
    return torch.einsum("ni,ni,ni->ni", x, x, x)


def _autocast(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return net.head(x.flatten(1)).float()


REFUSED = {
    "no rule": (
        lambda: behind(nn.ReLU(), Function(lambda net, x: x.cummax(dim=1)[0])),
        r"cummax at 2 \(Function\): no rule for it; use an operation that has one",
    ),
    "axes that do not match": (
        lambda: Function(lambda net, x: x.mean((1, 2, 3)) * x.flatten(1)[:, :1]),
        "forward at Function: on 2 images its outputs differ from those of each image alone",
    ),
    "drops at random": (
        lambda: Function(lambda net, x: net.head(F.dropout(x).flatten(1)), head=nn.Linear(200, 3)),
        "dropout at Function.forward: it drops at random",
    ),
    "mixes images": (
        lambda: Function(
            lambda net, x: net.head((x - x.mean(0, True)).flatten(1)), head=nn.Linear(200, 3)
        ),
        "forward at Function: on 2 images its outputs differ from those of each image alone",
    ),
    "output depends on the batch size": (
        lambda: Function(lambda net, x: net.head(x.flatten(1)) + len(x), head=nn.Linear(200, 3)),
        "forward at Function: on 2 images its outputs differ from those of each image alone",
    ),
    "indices": (
        lambda: Function(
            lambda net, x: net.head(
                (F.max_pool2d(x, 2, return_indices=True)[1] * 0.1 + x[..., ::2, ::2]).flatten(1)
            ),
            head=nn.Linear(50, 3),
        ),
        "max_pool2d_with_indices at Function.forward: positions have no multiplier",
    ),
    "batch statistics": (
        lambda: behind(nn.BatchNorm2d(4, track_running_stats=False)),
        r"_native_batch_norm_legit at 1 \(BatchNorm2d\): it normalises by statistics of the batch",
    ),
    "data-dependent": (
        lambda: Function(
            lambda net, x: net.inner(x), inner=Function(_data_dependent, head=nn.Linear(200, 3))
        ),
        r"forward at inner \(Function\): its control flow depends on the values of the images",
    ),
    "three factors": (
        lambda: Function(_three_factors),
        "einsum at Function.forward: more than two of its factors depend on the images",
    ),
    "autocast": (
        lambda: Function(_autocast, head=nn.Linear(200, 3)),
        "_to_copy at Function.forward: it computes in torch.bfloat16",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_operations_without_a_rule_are_refused_by_name_and_module_path(name: str) -> None:
    network, message = REFUSED[name]
    with pytest.raises(UnsupportedOperation, match=message):
        DeepShap(network().eval(), images(3, torch.float32))


def test_wrong_arguments_are_refused_with_advice() -> None:
    network = build(NETWORKS["conv relu pool"], torch.float32)
    background = images(3, torch.float32)
    with pytest.raises(ValueError, match=r"background: has the shape \(0, 2, 10, 10\)"):
        DeepShap(network, background[:0])
    with pytest.raises(ValueError, match=r"background: has the shape \(2, 10, 10\)"):
        DeepShap(network, background[0])
    with pytest.raises(
        ValueError, match=re.escape("background: is torch.uint8; call background.float()")
    ):
        DeepShap(network, background.to(torch.uint8))
    with pytest.raises(
        ValueError, match=r"its output has the shape \(1, 4, 8, 8\), expected \(n, k\)"
    ):
        DeepShap(network[0], background)
    explainer = DeepShap(network, background)
    with pytest.raises(
        ValueError, match=r"images: have the shape \(3, 2, 10, 9\), expected \(n, 2, 10, 10\)"
    ):
        explainer.attribute(background[..., :9])
    with pytest.raises(
        ValueError, match=r"images: are torch.float64, the background is torch.float32"
    ):
        explainer.attribute(background.double())
    with pytest.raises(ValueError, match="outputs: 3 is not among 0 to 2"):
        explainer.attribute(background, outputs=[0, 3])
    with pytest.raises(ValueError, match="outputs: is empty"):
        explainer.attribute(background, outputs=[])
    with pytest.raises(ValueError, match=r"outputs: is torch\.float32, expected integers"):
        explainer.attribute(background, outputs=torch.ones(3, 1))
    with pytest.raises(
        ValueError,
        match=re.escape("outputs: has the shape (2, 1), expected (k,), or (3, k) for the outputs"),
    ):
        explainer.attribute(background, outputs=torch.tensor([[0], [1]]))
    network[1].train()
    with pytest.raises(
        ValueError, match=r"network: 1 is in training mode; call network.eval\(\) first"
    ):
        DeepShap(network, background)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", NETWORKS)
def test_gpu_agrees_without_transfers(name: str) -> None:
    network = build(NETWORKS[name], F64)
    x, background = images(3, F64), images(5, F64, seed=2)
    expected = DeepShap(network, background).attribute(x)
    explainer = DeepShap(network.cuda(), background)
    x = x.cuda()
    explainer.attribute(x)
    torch.cuda.set_sync_debug_mode("error")
    try:
        values = explainer.attribute(x)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert values.device.type == "cuda"
    assert torch.allclose(values.cpu(), expected, atol=1e-12)
