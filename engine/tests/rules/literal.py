"""A second implementation of DeepSHAP: slow and literal, one pair and one output at a time.

It shares no code with the engine. A network is a function of pairs: the activation for the image
and the one for the background image. PyTorch differentiates it; the backward pass of each nonlinear
operation is the formula from the papers.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]


class _Ruled(torch.autograd.Function):
    """Passes `output` forward and `multiply(gradient)` back."""

    @staticmethod
    def forward(ctx, x: Tensor, output: Tensor, multiply: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.multiply = multiply
        return output.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor):
        return ctx.multiply(gradient), None, None


def ruled(x: Tensor, output: Tensor, multiply: Callable[[Tensor], Tensor]) -> Tensor:
    """`output`, where `multiply` turns its multipliers into those of x."""
    return _Ruled.apply(x, output, multiply)


def elementwise(function: Callable[[Tensor], Tensor], pair: Pair) -> Pair:
    """m = (f(x) - f(b)) / (x - b), or f'(b) where |x - b| < 1e-6."""
    x, b = pair
    y, y_b = function(x.detach()), function(b)
    multipliers = torch.empty_like(y)
    for at in range(y.numel()):
        delta = float(x.detach().flatten()[at] - b.flatten()[at])
        if abs(delta) < 1e-6:
            point = b.flatten()[at].clone().requires_grad_()
            (slope,) = torch.autograd.grad(function(point), point)
            multipliers.view(-1)[at] = slope
        else:
            multipliers.view(-1)[at] = (y.flatten()[at] - y_b.flatten()[at]) / delta
    return _Ruled.apply(x, y, lambda gradient: gradient * multipliers), y_b


def max_pool(pair: Pair, windows: Callable[[int, int], list[tuple[tuple[int, int], list]]]) -> Pair:
    """Max pooling, where the cross-maximum of both sides splits the change between two positions.

    `windows(height, width)` lists (output position, input positions), without padding.
    """
    x, b = pair
    listed = windows(*x.shape[2:])
    h = 1 + max(out[0] for out, _ in listed)
    w = 1 + max(out[1] for out, _ in listed)
    n_channels = x.shape[1]
    y, y_b = x.new_empty(1, n_channels, h, w), x.new_empty(1, n_channels, h, w)
    terms = []  # (channel, out, in, multiplier)
    for c in range(n_channels):
        for out, inside in listed:
            at_x = max(inside, key=lambda p: float(x.detach()[0, c, p[0], p[1]]))
            at_b = max(inside, key=lambda p: float(b[0, c, p[0], p[1]]))
            top, top_b = x.detach()[0, c][at_x], b[0, c][at_b]
            y[0, c][out], y_b[0, c][out] = top, top_b
            cross = torch.maximum(top, top_b)
            for at, change in ((at_x, cross - top_b), (at_b, top - cross)):
                delta = x.detach()[0, c][at] - b[0, c][at]
                if abs(float(delta)) >= 1e-7:
                    terms.append((c, out, at, change / delta))

    def multiply(gradient: Tensor) -> Tensor:
        back = torch.zeros_like(x)
        for c, out, at, multiplier in terms:
            back[0, c][at] += gradient[0, c][out] * multiplier
        return back

    return _Ruled.apply(x, y, multiply), y_b


def pool_windows(
    kernel: int, stride: int, padding: int = 0, dilation: int = 1, ceil_mode: bool = False
) -> Callable[[int, int], list]:
    """The windows of a max pool, by the size formula in PyTorch's documentation."""

    def starts(side: int) -> range:
        span = side + 2 * padding - dilation * (kernel - 1) - 1
        count = (-(-span // stride) if ceil_mode else span // stride) + 1
        if ceil_mode and (count - 1) * stride >= side + padding:
            count -= 1
        return range(count)

    def inside(start: int, side: int) -> list[int]:
        positions = (start * stride - padding + dilation * i for i in range(kernel))
        return [position for position in positions if 0 <= position < side]

    def windows(height: int, width: int) -> list:
        return [
            ((i, j), [(y, x) for y in inside(i, height) for x in inside(j, width)])
            for i in starts(height)
            for j in starts(width)
        ]

    return windows


def adaptive_pool_windows(size: int) -> Callable[[int, int], list]:
    """The windows of adaptive max pooling: from floor(i s / n) to ceil((i + 1) s / n)."""

    def span(i: int, side: int) -> range:
        return range(i * side // size, -(-(i + 1) * side // size))

    def windows(height: int, width: int) -> list:
        return [
            ((i, j), [(y, x) for y in span(i, height) for x in span(j, width)])
            for i in range(size)
            for j in range(size)
        ]

    return windows


def product(u: Pair, v: Pair) -> Pair:
    """A product, by the mean over both orders of switching its factors to the image."""
    (u_x, u_b), (v_x, v_b) = u, v
    y = u_x.detach() * v_x.detach()
    mean_u, mean_v = (u_x.detach() + u_b) / 2, (v_x.detach() + v_b) / 2
    straight = u_x * mean_v + v_x * mean_u  # has the wanted multipliers as gradients
    return y + straight - straight.detach(), u_b * v_b


def softmax(function: Callable[[Tensor], Tensor], pair: Pair) -> Pair:
    """A last softmax: output k is explained through logit k alone."""
    x, b = pair
    y, y_b = function(x.detach()), function(b)
    delta = x.detach() - b
    multipliers = torch.empty_like(y)
    for k in range(y.shape[1]):
        if abs(float(delta[0, k])) < 1e-6:
            point = b.clone().requires_grad_()
            (slope,) = torch.autograd.grad(function(point)[0, k], point)
            multipliers[0, k] = slope[0, k]
        else:
            multipliers[0, k] = (y - y_b)[0, k] / delta[0, k]
    return _Ruled.apply(x, y, lambda gradient: gradient * multipliers), y_b


def linear(function: Callable[[Tensor], Tensor], pair: Pair) -> Pair:
    """Any function that is linear up to a constant: the gradient is the multiplier."""
    return function(pair[0]), function(pair[1])


def attribute(function: Callable[[Pair], Pair], images: Tensor, background: Tensor) -> Tensor:
    """The mean of m (x - b) over the background; `function` is the network, applied to pairs."""
    per_image = []
    for image in images:
        per_pair = []
        for reference in background:
            per_output = []
            n_outputs = function((image[None], reference[None]))[1].shape[1]
            for k in range(n_outputs):
                x = image[None].clone().requires_grad_()
                output, _ = function((x, reference[None]))
                (multiplier,) = torch.autograd.grad(output[0, k], x)
                per_output.append(multiplier[0] * (image - reference))
            per_pair.append(torch.stack(per_output, -1))
        per_image.append(torch.stack(per_pair).mean(0))
    return torch.stack(per_image)
