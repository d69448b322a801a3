"""Networks that cannot be explained are refused before any work, by operation and module path."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from deepshap import DeepShap, UnsupportedOperation

from ..networks import Function, images

Forward = Callable[[nn.Module, Tensor], Tensor]


def deep_inside(function: Callable[[Tensor], Tensor]) -> nn.Module:
    """A network with a function of (n, 4, 8, 8) inside nested modules."""
    inner = nn.Sequential(nn.ReLU(), Function(lambda net, x: function(x)))
    return nn.Sequential(nn.Sequential(nn.Conv2d(2, 4, 3), inner), nn.Flatten(), nn.LazyLinear(3))


MODULE_PATH = r"at 0\.1\.1 \(Function\)"

WITHOUT_RULE: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "conversion to integers": (lambda x: x + x.long(), "_to_copy|to"),
    "conversion to half precision": (lambda x: x.half().float(), "_to_copy|to"),
    "complex numbers": (lambda x: torch.fft.fft2(x).abs(), "_to_copy|fft"),
    "remainder": (lambda x: x % 0.3, "remainder"),
    "infinity where the image says so": (
        lambda x: x.masked_fill(x < 0, -torch.inf).softmax(1),
        "masked_fill",
    ),
    "scattered products": (
        lambda x: x.scatter(1, torch.zeros_like(x[:, :1]).long(), 2.0, reduce="multiply"),
        "scatter",
    ),
    "positions": (lambda x: x * x.argmax(1, keepdim=True), "argmax"),
    "positions chosen by the image": (
        lambda x: x.gather(1, x.topk(2, dim=1).indices),
        "argsort",
    ),
    "order": (lambda x: x * x.sort(1).indices, "argsort"),
    "quantiles at ranks in a tensor": (lambda x: x.quantile(torch.tensor([0.5]), 1)[0], "quantile"),
    "two values for one position": (
        lambda x: x.index_put((torch.tensor([0]), torch.tensor([1, 1])), x[0, :2]),
        "index_put",
    ),
    "two values for one position, scattered": (
        lambda x: x.scatter(1, torch.ones_like(x[:, :2]).long(), x[:, :2]),
        "scatter",
    ),
}


@pytest.mark.parametrize("name", WITHOUT_RULE)
def test_operations_without_a_rule_are_refused_with_their_module_path(name: str) -> None:
    function, operation = WITHOUT_RULE[name]
    network = deep_inside(function).eval()
    network(images(1, torch.float32))  # initialises the lazy layer
    with pytest.raises(UnsupportedOperation, match=rf"^\w*({operation})\w* {MODULE_PATH}: "):
        DeepShap(network, images(3, torch.float32))


UNTRACEABLE: dict[str, Callable[[Tensor], Tensor]] = {
    "loop": lambda x: sum((x for _ in range(int(x.mean().abs()) + 1)), x),
    "NumPy": lambda x: x * float(x.detach().numpy().max()),
    "item": lambda x: x * x.max().item(),
}


@pytest.mark.parametrize("name", UNTRACEABLE)
def test_control_flow_that_depends_on_values_is_refused_with_its_module_path(name: str) -> None:
    network = deep_inside(UNTRACEABLE[name]).eval()
    network(images(1, torch.float32))
    with pytest.raises(UnsupportedOperation, match=rf"^(forward|item) {MODULE_PATH}: "):
        DeepShap(network, images(3, torch.float32))


def autocast(net: nn.Module, x: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.float16):
        return net.head(x.flatten(1)).float()


def test_autocast_inside_is_refused() -> None:
    network = Function(autocast, head=nn.Linear(200, 3)).eval()
    with pytest.raises(UnsupportedOperation, match="autocast"):
        DeepShap(network, images(3, torch.float32))


def test_disabled_autocast_inside_is_accepted() -> None:
    def forward(net: nn.Module, x: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return net.head(x.flatten(1))

    network = Function(forward, head=nn.Linear(200, 3)).eval()
    DeepShap(network, images(3, torch.float32))


MIXING: dict[str, Forward] = {
    "batch size, scaled down": lambda net, x: net.head(x.flatten(1)) + 1e-3 * len(x),
    "batch size, with large outputs": lambda net, x: net.head(x.flatten(1)) + 1000 + len(x),
    "squeeze": lambda net, x: net.head(x.flatten(1)).unsqueeze(-1).squeeze(),
    "softmax over images": lambda net, x: net.head(torch.softmax(x.flatten(1), 0)),
    "cumulative sum": lambda net, x: net.head(x.flatten(1).cumsum(0)),
    "neighbour": lambda net, x: net.head((x + 0.01 * x.roll(1, 0)).flatten(1)),
    "first image": lambda net, x: net.head((x - x[:1]).flatten(1)),
}


@pytest.mark.parametrize("name", MIXING)
def test_images_that_influence_each_other_are_refused(name: str) -> None:
    network = Function(MIXING[name], head=nn.Linear(200, 3)).eval()
    with pytest.raises((UnsupportedOperation, ValueError), match=r"image|\(n, k\)"):
        DeepShap(network, images(3, torch.float32))


def test_noise_is_refused() -> None:
    network = Function(lambda net, x: net.head((x + torch.randn_like(x)).flatten(1)))
    network.head = nn.Linear(200, 3)
    with pytest.raises(UnsupportedOperation, match=r"rand|random"):
        DeepShap(network.eval(), images(3, torch.float32))


def test_a_refusal_says_in_one_line_what_to_do() -> None:
    network = deep_inside(lambda x: x.cummax(dim=1).values).eval()
    network(images(1, torch.float32))
    with pytest.raises(UnsupportedOperation) as refused:
        DeepShap(network, images(3, torch.float32))
    message = str(refused.value)
    assert re.match(rf"\w*cummax\w* {MODULE_PATH}: ", message)
    assert "\n" not in message
    assert "use " in message
    assert len(message) < 300


def test_a_refusal_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    network = deep_inside(lambda x: x if x.sum() > 0 else -x).eval()
    network(images(1, torch.float32))
    with pytest.raises(UnsupportedOperation, match=rf"^forward {MODULE_PATH}: "):
        DeepShap(network, images(3, torch.float32))
    assert capfd.readouterr() == ("", "")
