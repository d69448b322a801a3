"""Networks written as plain operations, which loops over NumPy arrays run a second time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from deepshap import UnsupportedOperation, portable_operations
from deepshap.graph.portable import Operation

from ..architectures import ARCHITECTURES, Standardize
from ..networks import Function, behind, trained_norm

Array = NDArray[np.float64]


def windows(operation: Operation, x: Array, tall: int, wide: int, outside: float) -> Array:
    """The values under each window, (channels, rows, columns, tall, wide)."""
    (down, right), (top, left) = operation.settings["stride"], operation.settings["padding"]
    _, rows, columns = operation.shape
    padded = np.full((len(x), x.shape[1] + 2 * top + tall, x.shape[2] + 2 * left + wide), outside)
    padded[:, top : top + x.shape[1], left : left + x.shape[2]] = x
    found = np.empty((len(x), rows, columns, tall, wide))
    for row, column in itertools.product(range(rows), range(columns)):
        y, z = row * down, column * right
        found[:, row, column] = padded[:, y : y + tall, z : z + wide]
    return found


def computed(operation: Operation, inputs: Sequence[Array]) -> Array:
    """The output of one operation in float64, as its kind defines it."""
    arrays = {name: array.double().numpy() for name, array in operation.arrays.items()}
    x = inputs[0]
    match operation.kind:
        case "convolution":
            under = windows(operation, x, *arrays["weight"].shape[2:], 0.0)
            summed = np.einsum("cyxij,ocij->oyx", under, arrays["weight"])
            return summed + arrays["bias"][:, None, None]
        case "affine":
            sides = (-1,) + (1,) * (x.ndim - 1)
            return arrays["scale"].reshape(sides) * x + arrays["shift"].reshape(sides)
        case "linear":
            return arrays["weight"] @ x + arrays["bias"]
        case "max_pool":
            return windows(operation, x, *operation.settings["window"], -np.inf).max((3, 4))
        case "average_pool":
            return windows(operation, x, *operation.settings["window"], 0.0).mean((3, 4))
        case "relu":
            return np.maximum(x, 0)
        case "add":
            return inputs[0] + inputs[1]
        case "flatten":
            return x.ravel()
        case "sigmoid":
            return 1 / (1 + np.exp(-x))
        case "softmax":
            return np.exp(x) / np.exp(x).sum()
    raise AssertionError(operation.kind)


def run(operations: Sequence[Operation], image: Array) -> Array:
    values = [image]
    for operation in operations:
        values.append(computed(operation, [values[number] for number in operation.inputs]))
        assert values[-1].shape == operation.shape, operation.kind
    return values[-1]


def assert_same(network: nn.Module, shape: tuple[int, int, int]) -> list[Operation]:
    """Assert that the operations compute what the network does; returns them."""
    operations = portable_operations(network.eval(), torch.zeros(1, *shape))
    assert {a.dtype for operation in operations for a in operation.arrays.values()} <= {
        torch.float32
    }
    pixels = torch.randint(0, 256, (3, *shape), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = network.double()(pixels.double()).numpy()
    for image, output in zip(pixels.numpy().astype(np.float64), expected, strict=True):
        np.testing.assert_allclose(run(operations, image), output, rtol=1e-5, atol=1e-6)
    return operations


def standardised(name: str, channels: int, size: tuple[int, int]) -> nn.Sequential:
    """A network with random weights, and batch statistics like those of a trained one."""
    torch.manual_seed(0)
    network = nn.Sequential(Standardize(channels), ARCHITECTURES[name](channels, size, 10))
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    return network


@pytest.mark.parametrize(
    ("name", "channels"), [("convnet", 1), ("lenet", 3), ("fully_connected", 1), ("resnet", 3)]
)
def test_networks_of_plain_operations_are_portable(name: str, channels: int) -> None:
    operations = assert_same(standardised(name, channels, (20, 24)), (channels, 20, 24))
    assert [operation.kind for operation in operations].count("affine") == 1, "norms are folded"


@pytest.mark.parametrize(
    ("last", "kind"), [(nn.Softmax(dim=1), "softmax"), (nn.Sigmoid(), "sigmoid")]
)
def test_a_last_softmax_or_sigmoid_is_portable(last: nn.Module, kind: str) -> None:
    network = nn.Sequential(standardised("lenet", 1, (20, 20)), last)
    assert assert_same(network, (1, 20, 20))[-1].kind == kind


OTHERS: dict[str, Callable[[], nn.Module]] = {
    "overlapping windows with padding": lambda: behind(nn.MaxPool2d(3, 2, 1), nn.ReLU()),
    "windows cut at the edge": lambda: behind(nn.MaxPool2d(3, 2, ceil_mode=True)),
    "average of windows": lambda: behind(nn.ReLU(), nn.AvgPool2d(3, 2)),
    "average to a size": lambda: behind(nn.AdaptiveAvgPool2d((4, 2))),
    "rectangular kernel": lambda: behind(first=nn.Conv2d(2, 4, (1, 4), (2, 1), (0, 2))),
    "norms before and after ReLU": lambda: nn.Sequential(
        trained_norm(2), behind(nn.ReLU(), trained_norm(4), nn.Dropout(0.5))
    ),
    "branch that is used three times": lambda: behind(
        Function(lambda net, x: (x - 0.5) * 3 + nn.functional.relu(x) + x)
    ),
    "mean without keepdim": lambda: behind(
        nn.ReLU(), Function(lambda net, x: x.mean((2, 3))), nn.Linear(4, 3), nn.ReLU()
    ),
    "norm after a step that does nothing, read by another branch": lambda: behind(
        Function(
            lambda net, x: net.norm(net.drop(x)) + x, norm=trained_norm(4), drop=nn.Dropout(0.5)
        )
    ),
    "no bias": lambda: behind(first=nn.Conv2d(2, 4, 3, bias=False)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_networks_of_plain_operations_are_portable(name: str) -> None:
    torch.manual_seed(0)
    assert_same(OTHERS[name](), (2, 10, 10))


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "another function": (lambda: behind(nn.GELU()), r"gelu at 1 \(GELU\): .*no plain form"),
    "groups": (lambda: behind(nn.Conv2d(4, 4, 3, groups=4)), r"conv2d at 1 \(Conv2d\).*groups"),
    "dilation": (
        lambda: behind(nn.Conv2d(4, 4, 3, dilation=2)),
        r"conv2d at 1 \(Conv2d\).*dilation",
    ),
    "mean of channels": (
        lambda: behind(Function(lambda net, x: x.mean(1, keepdim=True))),
        r"mean at 1 \(Function\)",
    ),
    "padding that is averaged": (lambda: behind(nn.AvgPool2d(3, 1, 1)), r"avg_pool2d at 1 "),
    "constants that differ between pixels": (
        lambda: behind(Function(lambda net, x: x + net.ramp, ramp=Ramp())),
        "from pixel to pixel",
    ),
    "difference of branches": (
        lambda: behind(Function(lambda net, x: nn.functional.relu(x) - x)),
        "sub at 1 ",
    ),
    "log-softmax": (lambda: nn.Sequential(behind(), nn.LogSoftmax(1)), "log_softmax at 1 "),
    "vectors that are joined": (
        lambda: nn.Sequential(behind(), Function(lambda net, x: torch.cat([x * 0, x], dim=1))),
        r"cat at 1 \(Function\)",
    ),
    "no rule at all": (lambda: behind(Function(lambda net, x: x.round() + x)), "round at 1 "),
}


class Ramp(nn.Module):
    def __radd__(self, planes: torch.Tensor) -> torch.Tensor:
        return planes + torch.linspace(0, 1, 64).view(8, 8)


@pytest.mark.parametrize("name", REFUSED)
def test_other_operations_are_refused_by_name_and_module_path(name: str) -> None:
    build, message = REFUSED[name]
    with pytest.raises(UnsupportedOperation, match=message):
        portable_operations(build().eval(), torch.zeros(1, 2, 10, 10))


def test_a_vision_transformer_is_refused() -> None:
    with pytest.raises(UnsupportedOperation, match=r"gelu at .*stem.*GELU"):
        portable_operations(standardised("vit", 1, (16, 16)).eval(), torch.zeros(1, 1, 16, 16))
