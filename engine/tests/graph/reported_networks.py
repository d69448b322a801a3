"""Networks of users' reports in public trackers, each with the same network written plainly."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks import Function

F64 = torch.float64


class ErasingPart(nn.Module):
    """pytorch/pytorch#112429: the forward pass writes to its own images."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(200, 3)

    def forward(self, x: Tensor) -> Tensor:
        x[:, :, 6:] = 0
        return self.head(torch.tanh(x).flatten(1))


def masked(net: nn.Module) -> nn.Module:
    mask = (torch.arange(10) < 6).to(F64)[:, None]
    return Function(lambda _, x: net.head(torch.tanh(x * mask).flatten(1)), head=net.head)


def copied_and_doubled() -> nn.Module:
    """pytorch/pytorch#131679: a copy made by `to` is written to."""

    def forward(net: nn.Module, x: Tensor) -> Tensor:
        y = torch.ops.aten.to(x, torch.float64, copy=True)
        y.mul_(2)
        return net.head(torch.tanh(y + x).flatten(1))

    return Function(forward, head=nn.Linear(200, 3))


def tripled(net: nn.Module) -> nn.Module:
    return Function(lambda _, x: net.head(torch.tanh(3 * x).flatten(1)), head=net.head)


class Pyramid(nn.Module):
    """pytorch/pytorch#148144: one pooling module, used on its own result while a list grows."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)
        self.last = nn.Linear(16 * 64, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = [self.first(x)]
        y.extend(self.pool(y[-1]) for _ in range(3))
        return self.last(torch.cat(y, 1).flatten(1))


def pools_written_out(net: nn.Module) -> nn.Module:
    def forward(_: nn.Module, x: Tensor) -> Tensor:
        a = net.first(x)
        b = F.max_pool2d(F.pad(a, [2] * 4, value=-torch.inf), 5, 1)
        c = F.max_pool2d(F.pad(b, [2] * 4, value=-torch.inf), 5, 1)
        d = F.max_pool2d(F.pad(c, [2] * 4, value=-torch.inf), 5, 1)
        return net.last(torch.cat([a, b, c, d], 1).flatten(1))

    return Function(forward, first=net.first, last=net.last)


class Gate(nn.Module):
    """The gate that the streams of OSNet share (torchreid)."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc1, self.fc2 = nn.Conv2d(4, 2, 1), nn.Conv2d(2, 4, 1)
        self.relu, self.sigmoid = nn.ReLU(inplace=True), nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.sigmoid(self.fc2(self.relu(self.fc1(self.pool(x)))))


class OmniScale(nn.Module):
    """meta-pytorch/captum#199: streams of different depth through one gate."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 1)
        self.streams = nn.ModuleList(
            nn.Sequential(*[nn.Conv2d(4, 4, 3, padding=1) for _ in range(depth)])
            for depth in (1, 2)
        )
        self.gates = nn.ModuleList([Gate()] * 2)
        self.head = nn.Linear(400, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        y = sum(gate(s(x)) for gate, s in zip(self.gates, self.streams, strict=True))
        return self.head(torch.relu_(y + x).flatten(1))


def gates_of_their_own(net: nn.Module) -> nn.Module:
    """The same function, without a module that runs twice or writes to its input."""
    other = copy.deepcopy(net)
    other.gates = nn.ModuleList(copy.deepcopy(net.gates[0]) for _ in net.gates)
    for gate in other.gates:
        gate.relu = nn.ReLU()
    return other


class Swish(torch.autograd.Function):
    """The memory-efficient form of EfficientNet-PyTorch and MONAI."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        result = x * torch.sigmoid(x)
        ctx.save_for_backward(x)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        raise AssertionError("DeepSHAP needs no gradient")


def with_own_swish() -> nn.Module:
    """lukemelas/EfficientNet-PyTorch#91: an autograd Function that exporters refuse."""
    return Function(
        lambda net, x: net.head(Swish.apply(net.first(x)).flatten(1)),
        first=nn.Conv2d(2, 4, 3),
        head=nn.Linear(256, 3),
    )


def with_product(net: nn.Module) -> nn.Module:
    def forward(_: nn.Module, x: Tensor) -> Tensor:
        y = net.first(x)
        return net.head((y * torch.sigmoid(y)).flatten(1))

    return Function(forward, first=net.first, head=net.head)


class ConcatPool(nn.Module):
    """Synopsis/amalgam#2: fastai's head, maximum and mean side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3)
        self.ap, self.mp = nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1)
        self.norm, self.head = nn.BatchNorm1d(8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.head(self.norm(torch.cat([self.mp(x), self.ap(x)], 1).flatten(1)))


def pooled_by_functions(net: nn.Module) -> nn.Module:
    def forward(_: nn.Module, x: Tensor) -> Tensor:
        x = net.first(x)
        pooled = torch.cat([F.max_pool2d(x, 8).flatten(1), x.mean((2, 3))], 1)
        return net.head(pooled / (1 + net.norm.eps) ** 0.5)

    return Function(forward, first=net.first, norm=net.norm, head=net.head)


class MaxNorm(nn.Module):
    """Layers that limit their own weights at each call, as networks for EEG do, through `.data`."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Conv2d(2, 4, 3), nn.Linear(256, 3)

    def forward(self, x: Tensor) -> Tensor:
        self.first.weight.data = torch.renorm(self.first.weight.data, p=2, dim=0, maxnorm=0.5)
        return self.head(torch.tanh(self.first(x)).data.flatten(1))


def with_limited_weights(net: nn.Module) -> nn.Module:
    weight = torch.renorm(net.first.weight.detach(), p=2, dim=0, maxnorm=0.5)

    def forward(_: nn.Module, x: Tensor) -> Tensor:
        return net.head(torch.tanh(F.conv2d(x, weight, net.first.bias)).flatten(1))

    return Function(forward, first=net.first, head=net.head)


class WithKeywords(nn.Module):
    """shap/shap#3363: skorch's convention, with one activation for all layers."""

    def __init__(self, nonlin: Callable[[Tensor], Tensor] = F.relu) -> None:
        super().__init__()
        self.dense0, self.dense1 = nn.Linear(200, 8), nn.Linear(8, 8)
        self.nonlin, self.output = nonlin, nn.Linear(8, 1)

    def forward(self, X: Tensor, **kwargs: Any) -> Tensor:
        X = self.nonlin(self.dense0(X.flatten(1)))
        return self.output(self.nonlin(self.dense1(X)))


def as_a_sequence(net: nn.Module) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), net.dense0, nn.ReLU(), net.dense1, nn.ReLU(), net.output
    ).eval()


PAIRS: dict[str, tuple[Callable[[], nn.Module], Callable[[nn.Module], nn.Module]]] = {
    "pytorch#112429": (ErasingPart, masked),
    "pytorch#131679": (copied_and_doubled, tripled),
    "pytorch#148144": (Pyramid, pools_written_out),
    "captum#199": (OmniScale, gates_of_their_own),
    "EfficientNet-PyTorch#91": (with_own_swish, with_product),
    "amalgam#2": (ConcatPool, pooled_by_functions),
    "shap#3363": (WithKeywords, as_a_sequence),
    "weight.data": (MaxNorm, with_limited_weights),
}
