"""The multipliers of linear operations equal their Jacobian, computed by PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from deepshap import DeepShap

from ..networks import Function

F64 = torch.float64
GENERATOR = torch.Generator().manual_seed(5)
CHANNELS, HEIGHT, WIDTH = 4, 4, 6


def constant(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=GENERATOR, dtype=F64)


ROWS, COLUMNS = constant(HEIGHT, HEIGHT), constant(WIDTH, 3)
MASK = torch.arange(WIDTH) % 3 == 0
GRID = constant(1, 3, 2, 2)
ORDER = torch.tensor([3, 0, 3, 5])
INDEX = torch.tensor([[0, 2, 1], [3, 3, 0]]).expand(CHANNELS, 2, 3)


def assigned(x: Tensor) -> Tensor:
    y = x.clone()
    y[:, 1] = 0
    y[:, :, 1:3] += 2 * x[:, :, :2]
    y[..., 0] = x[..., 5]
    return y


def through_views(x: Tensor) -> Tensor:
    y = 3 * x
    y.view(len(x), -1)[:, ::2].mul_(-1)
    y[:, :2].add_(y[:, 2:])
    return y


OPERATIONS: dict[str, dict[str, Callable[[Tensor], Tensor]]] = {
    "cutting": {
        "chunk": lambda x: x.chunk(3, dim=-1)[1],
        "split": lambda x: x.split(2, dim=2)[1],
        "split by sizes": lambda x: torch.split(x, [1, 3, 2], dim=3)[2],
        "tensor_split": lambda x: x.tensor_split(4, dim=3)[0],
        "unbind": lambda x: x.unbind(1)[2],
        "iteration": lambda x: sum(row * at for at, row in enumerate(x.unbind(2))),
        "select": lambda x: x.select(2, -1),
        "narrow": lambda x: x.narrow(1, 1, 2),
        "slice": lambda x: x[..., 1::2, :4],
        "diagonal": lambda x: x.diagonal(1, 2, 3),
    },
    "joining": {
        "cat": lambda x: torch.cat([x[:, 1:], 2 * x], dim=1),
        "add twice": lambda x: torch.add(x[:, 1:], x[:, :-1], alpha=2),
        "stack": lambda x: torch.stack([x, -x], dim=2),
        "add": lambda x: torch.add(x[:, :2], x[:, 2:], alpha=-0.5) + 1,
        "subtract": lambda x: (2 - x[:, :1]) - x,
        "in place": lambda x: x.clone().add_(x[:, :1]).sub_(0.5).div_(4),
    },
    "moving": {
        "permute": lambda x: x.permute(0, 2, 3, 1),
        "transpose": lambda x: x.transpose(1, 3),
        "movedim": lambda x: x.movedim(1, -1),
        "flip": lambda x: x.flip(1, 3),
        "roll": lambda x: x.roll((1, -2), (2, 3)),
        "rot90": lambda x: torch.rot90(x, 1, (2, 3)),
        "reshape": lambda x: x.mT.reshape(len(x), 6, -1, 2),
        "unflatten": lambda x: x.flatten(2).unflatten(-1, (3, 8)).squeeze(1).unsqueeze(-1),
    },
    "repeating": {
        "expand": lambda x: x[:, :, :1].expand(-1, -1, 3, -1),
        "repeat": lambda x: x.repeat(1, 2, 1, 1),
        "repeat_interleave": lambda x: x.repeat_interleave(2, dim=3),
        "tile": lambda x: torch.tile(x, (1, 1, 2, 1)),
    },
    "choosing by constants": {
        "index": lambda x: x[:, :, :, ORDER],
        "two indices": lambda x: x[:, :, ORDER[:2], ORDER[2:]],
        "index_select": lambda x: x.index_select(3, ORDER),
        "gather": lambda x: x.gather(2, INDEX.expand(len(x), -1, -1, -1)),
        "masked_fill": lambda x: x.masked_fill(MASK, 0.5),
        "where": lambda x: torch.where(MASK, x, 2 * x.flip(3)),
        "scatter": lambda x: torch.zeros_like(x).scatter(
            3, ORDER[:2].expand_as(x[..., :2]), x[..., :2]
        ),
        "scatter_add": lambda x: x.scatter_add(3, ORDER.expand_as(x[..., :4]), x[..., :4]),
        "index_add": lambda x: x.index_add(3, ORDER, x[..., :4]),
        "index_copy": lambda x: x.index_copy(3, ORDER[:2], x[..., :2]),
        "take_along_dim": lambda x: x.take_along_dim(ORDER.expand_as(x[..., :4]), 3),
        "tril": lambda x: x.tril(1),
        "triu": lambda x: torch.triu(x),
    },
    "windows": {
        "unfold": lambda x: F.unfold(x, 3, padding=1, stride=2),
        "fold": lambda x: F.fold(x.flatten(2)[:, :, :9], (4, 4), 2),
        "tensor.unfold": lambda x: x.unfold(3, 3, 2),
        "avg_pool2d": lambda x: F.avg_pool2d(x, 3, 2, padding=1, ceil_mode=True),
        "avg_pool1d": lambda x: F.avg_pool1d(x.flatten(2), 5, 3),
        "avg_pool3d": lambda x: F.avg_pool3d(x, (2, 2, 3)),
        "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, (3, 4)),
        "pixel_shuffle": lambda x: F.pixel_shuffle(x, 2),
        "pixel_unshuffle": lambda x: F.pixel_unshuffle(x, 2),
        "channel_shuffle": lambda x: F.channel_shuffle(x, 2),
    },
    "resizing": {
        "nearest": lambda x: F.interpolate(x, scale_factor=2),
        "bilinear": lambda x: F.interpolate(x, (7, 5), mode="bilinear"),
        "bilinear, corners": lambda x: F.interpolate(
            x, (7, 5), mode="bilinear", align_corners=True
        ),
        "bilinear, antialiased": lambda x: F.interpolate(
            x, (2, 3), mode="bilinear", antialias=True
        ),
        "bicubic": lambda x: F.interpolate(x, (5, 7), mode="bicubic"),
        "linear": lambda x: F.interpolate(x.flatten(2), 11, mode="linear"),
        "nearest, volume": lambda x: F.interpolate(x.unsqueeze(1), scale_factor=2),
        "trilinear": lambda x: F.interpolate(x.unsqueeze(1), (3, 5, 4), mode="trilinear"),
        "nearest exact": lambda x: F.interpolate(x.flatten(2), 11, mode="nearest-exact"),
        "sampled": lambda x: F.grid_sample(x, GRID.expand(len(x), -1, -1, -1), align_corners=False),
        "sampled, reflected": lambda x: F.grid_sample(
            x, 1.5 * GRID.expand(len(x), -1, -1, -1), padding_mode="reflection", align_corners=True
        ),
    },
    "padding": {
        "zeros": lambda x: F.pad(x, (1, 2, 0, 1)),
        "cropping": lambda x: F.pad(x, (-1, 0, -1, 2), value=0.5),
        "reflect": lambda x: F.pad(x, (2, 1, 1, 2), mode="reflect"),
        "replicate": lambda x: F.pad(x, (2, 1, 1, 2), mode="replicate"),
        "circular": lambda x: F.pad(x, (2, 1, 1, 2), mode="circular"),
    },
    "adding up": {
        "sum": lambda x: x.sum(2),
        "mean": lambda x: x.mean((2, 3), keepdim=True),
        "cumsum": lambda x: x.cumsum(3),
        "all of an image": lambda x: x.flatten(1).sum(1, keepdim=True),
    },
    "multiplying by constants": {
        "factors": lambda x: x * ROWS[:, :1] / 3 * -2,
        "matmul": lambda x: x @ COLUMNS,
        "mv": lambda x: torch.stack([torch.mv(image[0], COLUMNS[:, 0]) for image in x]),
        "tensordot": lambda x: torch.tensordot(x, COLUMNS, dims=([3], [0])),
        "lerp": lambda x: torch.lerp(x, 2 * x.flip(1), ROWS[:, :1]),
        "matmul from the left": lambda x: ROWS @ x,
        "einsum": lambda x: torch.einsum("nchw,hg,wv->ncgv", x, ROWS, COLUMNS),
        "linear": lambda x: F.linear(x, COLUMNS.mT, COLUMNS[0]),
        "conv1d": lambda x: F.conv1d(x.flatten(2), constant_filter(3, 4, 5)),
        "conv2d": lambda x: F.conv2d(x, constant_filter(4, 2, 3, 3), groups=2, dilation=(1, 2)),
        "conv3d": lambda x: F.conv3d(x.unsqueeze(1), constant_filter(2, 1, 2, 2, 2)),
        "conv_transpose2d": lambda x: F.conv_transpose2d(x, constant_filter(4, 2, 3, 3), stride=2),
    },
    "changing in place": {"assigned": assigned, "through views": through_views},
}


def constant_filter(*shape: int) -> Tensor:
    return torch.linspace(-1, 2, torch.Size(shape).numel(), dtype=F64).view(shape)


@pytest.mark.parametrize("family", OPERATIONS)
def test_the_multiplier_is_the_jacobian(family: str) -> None:
    functions = OPERATIONS[family]

    def forward(net: torch.nn.Module, x: Tensor) -> Tensor:
        return torch.cat([function(x).flatten(1) for function in functions.values()], 1)

    generator = torch.Generator().manual_seed(0)
    shape = (CHANNELS, HEIGHT, WIDTH)
    x, background = torch.randn(2, 2, *shape, generator=generator, dtype=F64)
    values = DeepShap(Function(forward).eval(), background).attribute(x)
    at = 0
    for name, function in functions.items():
        jacobian = torch.autograd.functional.jacobian(
            lambda image, function=function: function(image[None]).flatten(), x[0]
        )
        expected = jacobian.movedim(0, -1) * (x - background.mean(0)).unsqueeze(-1)
        found = values[..., at : at + len(jacobian)]
        assert torch.allclose(found, expected, rtol=0, atol=1e-12), name
        at += len(jacobian)
    assert at == values.shape[-1]
