"""Networks are explained as people write them, and nothing about them changes."""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize
from torch.utils.checkpoint import checkpoint

from deepshap import DeepShap

from ..networks import Function, build, images

F64 = torch.float64


def plain() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 3)
    )


@functools.cache
def expected() -> Tensor:
    """The attributions of the plain network, computed once in a process."""
    return DeepShap(build(plain, F64), images(3, F64, seed=2)).attribute(images(2, F64))


def data_parallel(network: nn.Module) -> nn.Module:
    with warnings.catch_warnings():  # it is deprecated
        warnings.simplefilter("ignore")
        return nn.DataParallel(network)


def parametrized(network: nn.Module) -> nn.Module:
    class Same(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return weight * 1

    parametrize.register_parametrization(network[0], "weight", Same())
    parametrizations.weight_norm(network[4])
    return network


def checkpointed(network: nn.Module) -> nn.Module:
    def forward(net: nn.Module, x: Tensor) -> Tensor:
        x = checkpoint(net.inner[:2], x, use_reentrant=False)
        return net.inner[2:](x)

    return Function(forward, inner=network)


def in_place(network: nn.Module) -> nn.Module:
    def forward(net: nn.Module, x: Tensor) -> Tensor:
        y = net.inner[0](x)
        view = y.flatten(1)
        view.relu_()  # a view: this changes y
        return net.inner[3:](F.max_pool2d(y, 2))

    return Function(forward, inner=network)


def one_by_one(network: nn.Module) -> nn.Module:
    def forward(net: nn.Module, x: Tensor) -> Tensor:
        return torch.stack([net.inner(image[None])[0] for image in x])

    return Function(forward, inner=network)


def hooked(network: nn.Module) -> nn.Module:
    network[0].register_forward_hook(lambda module, inputs, output: output * 2)
    network[1].register_forward_hook(lambda module, inputs, output: output / 2)
    return network


def in_a_dictionary(network: nn.Module) -> nn.Module:
    def forward(net: nn.Module, x: Tensor) -> Tensor:
        features = {"low": net.inner[:2](x)}
        features["high"] = net.inner[2](features.pop("low"))
        return net.inner[3:](features["high"])

    return Function(forward, inner=network)


def compiled(network: nn.Module) -> nn.Module:
    return torch.compile(network, backend="eager")


def frozen(network: nn.Module) -> nn.Module:
    return network.requires_grad_(False)


def casting(network: nn.Module) -> nn.Module:
    def forward(net: nn.Module, x: Tensor) -> Tensor:
        return net.inner(x.to(net.inner[0].weight.dtype).contiguous())

    return Function(forward, inner=network)


def size_checked(network: nn.Module) -> nn.Module:
    def forward(net: nn.Module, x: Tensor) -> Tensor:
        n, _, height, width = x.shape
        if height != width:
            raise ValueError("images must be square")
        return net.inner(x.view(n, -1).view(n, 2, height, width))

    return Function(forward, inner=network)


WAYS: list[Callable[[nn.Module], nn.Module]] = [
    data_parallel,
    parametrized,
    checkpointed,
    in_place,
    one_by_one,
    hooked,
    in_a_dictionary,
    compiled,
    frozen,
    casting,
    size_checked,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_same_network_written_differently_has_the_same_attributions(
    way: Callable[[nn.Module], nn.Module],
) -> None:
    network = way(build(plain, F64)).eval()
    found = DeepShap(network, images(3, F64, seed=2)).attribute(images(2, F64))
    assert torch.allclose(found, expected(), rtol=0, atol=1e-13)


class Reused(nn.Module):
    """One layer for all steps, as in recurrent networks."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Conv2d(2, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)
        self.head = nn.Linear(200, 3)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = x + torch.tanh(self.norm(self.step(x)))
        return self.head(x.flatten(1))


@pytest.mark.parametrize(
    "make",
    [Reused, lambda: parametrized(plain()), lambda: nn.Sequential(nn.Flatten(), encoder())],
    ids=["reused modules", "parametrizations", "transformer"],
)
def test_the_network_is_left_as_it_was(make: Callable[[], nn.Module]) -> None:
    network = build(make, torch.float32)
    next(network.parameters()).requires_grad_(False)
    before = snapshot(network)
    background = images(3, torch.float32)
    state = torch.random.get_rng_state()
    globals_before = process_state()
    values = DeepShap(network, background).attribute(images(2, torch.float32, seed=2))
    assert snapshot(network) == before
    assert torch.equal(torch.random.get_rng_state(), state)
    assert process_state() == globals_before
    assert not values.requires_grad
    assert torch.equal(background, images(3, torch.float32))
    copy.deepcopy(network)


def encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(20, 2, 8, batch_first=True)
    stack = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return nn.Sequential(nn.Unflatten(1, (10, 20)), stack, nn.Flatten(), nn.Linear(200, 3))


def snapshot(network: nn.Module) -> list[object]:
    """The state of a module: bytes, flags, hooks, the names of its attributes."""
    held: list[object] = []
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        held.append((name, tensor.detach().numpy().tobytes(), tensor.requires_grad, tensor.grad))
        held.append((tensor.dtype, tensor.data_ptr(), tensor._version))
    for name, module in network.named_modules():
        held.append((name, type(module), module.training, sorted(vars(module))))
        hooks = [value for key, value in vars(module).items() if key.endswith("hooks")]
        held.append([list(found) for found in hooks])
    return held


def process_state() -> tuple[object, ...]:
    """Settings of the process that an explainer might change."""
    return (
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.backends.mha.get_fastpath_enabled(),
        list(warnings.filters),
    )


def test_the_caller_may_have_switched_gradients_off() -> None:
    network = build(plain, F64)
    x, background = images(2, F64), images(3, F64, seed=2)
    with torch.no_grad():
        assert torch.equal(DeepShap(network, background).attribute(x), expected())
    with torch.inference_mode():
        assert torch.equal(DeepShap(network, background).attribute(x), expected())


def test_autocast_of_the_caller_is_switched_off() -> None:
    network = build(plain, torch.float32)
    x, background = images(2, torch.float32), images(3, torch.float32, seed=2)
    expected = DeepShap(network, background).attribute(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(DeepShap(network, background).attribute(x), expected)
        assert torch.is_autocast_enabled("cpu")


def test_an_exported_program_is_explained_as_its_network() -> None:
    network = build(plain, F64)
    x, background = images(2, F64), images(3, F64, seed=2)
    shapes = ({0: torch.export.Dim("n")},)
    program = torch.export.export(network, (background,), dynamic_shapes=shapes)
    found = DeepShap(program.module(), background).attribute(x)  # its eval() raises an error
    assert torch.allclose(found, expected(), rtol=0, atol=1e-13)


def test_explaining_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    network = build(plain, torch.float32)
    DeepShap(network, images(3, torch.float32)).attribute(images(2, torch.float32))
    assert capfd.readouterr() == ("", "")
