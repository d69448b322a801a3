"""Closed forms of the secant (f(u) - f(w)) / (u - w) that never subtract nearly equal numbers.

Each takes the inputs u, w and the outputs f(u), f(w), and returns the derivative where u = w.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Secant = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def decay(t: Tensor) -> Tensor:
    """(1 - exp(-t)) / t for t >= 0; it falls from 1."""
    return torch.where(t == 0, 1.0, -torch.expm1(-t) / t)


def clamped(u: Tensor, w: Tensor, low: float, high: float) -> Tensor:
    """The secant of min(max(x, low), high)."""
    inside = ((low < w) & (w < high)).to(w.dtype)
    change = u - w
    return torch.where(change == 0, inside, (u.clamp(low, high) - w.clamp(low, high)) / change)


def exponential(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """The secant of exp(x) and of exp(x) - 1: the logarithmic mean of exp(u) and exp(w)."""
    return torch.maximum(u, w).exp() * decay((u - w).abs())


def logarithm(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """The secant of ln(x): one over the logarithmic mean of u and w."""
    low = torch.minimum(u, w)
    return _log1p((u - w).abs() / low) / low


def logarithm_of_one_plus(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """The secant of ln(1 + x)."""
    low = 1 + torch.minimum(u, w)
    return _log1p((u - w).abs() / low) / low


def exponential_of_base(base: float | Tensor) -> Secant:
    """The secant of base^x = exp(x ln base)."""

    def secant(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
        rate = torch.as_tensor(base, dtype=u.dtype, device=u.device).log()
        return rate * exponential(rate * u, rate * w, f_u, f_w)

    return secant


def logarithm_of_base(base: int) -> Secant:
    """The secant of ln(x) / ln(base)."""
    return lambda u, w, f_u, f_w: logarithm(u, w, f_u, f_w) / math.log(base)


def sine(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """The secant of sin(x): cos((u + w) / 2) sin(d) / d with d = (u - w) / 2."""
    return torch.cos((u + w) / 2) * _per_angle(torch.sin, (u - w) / 2)


def cosine(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """The secant of cos(x): -sin((u + w) / 2) sin(d) / d with d = (u - w) / 2."""
    return -torch.sin((u + w) / 2) * _per_angle(torch.sin, (u - w) / 2)


def tangent(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """The secant of tan(x): sin(d) / d / (cos(u) cos(w)) with d = u - w."""
    return _per_angle(torch.sin, u - w) / (torch.cos(u) * torch.cos(w))


def hyperbolic_sine(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """The secant of sinh(x): cosh((u + w) / 2) sinh(d) / d with d = (u - w) / 2."""
    return torch.cosh((u + w) / 2) * _per_angle(torch.sinh, (u - w) / 2)


def hyperbolic_cosine(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """The secant of cosh(x): sinh((u + w) / 2) sinh(d) / d with d = (u - w) / 2."""
    return torch.sinh((u + w) / 2) * _per_angle(torch.sinh, (u - w) / 2)


def sigmoid(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """The secant of the sigmoid s.

    It follows from tanh((u - w) / 2) = (s_u - s_w) / (s_u (1 - s_w) + s_w (1 - s_u)).
    """
    half = (u - w).abs() / 2
    slope = torch.where(half == 0, 1.0, torch.tanh(half) / half) / 2
    return slope * (f_u * torch.sigmoid(-w) + f_w * torch.sigmoid(-u))


def tanh(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """The secant of 2 sigmoid(2 x) - 1, which is the hyperbolic tangent."""
    return 4 * sigmoid(2 * u, 2 * w, torch.sigmoid(2 * u), torch.sigmoid(2 * w))


def silu(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """The secant of x sigmoid(x): the change of each factor times the mean of the other."""
    s_u, s_w = torch.sigmoid(u), torch.sigmoid(w)
    return (s_u + s_w) / 2 + (u + w) / 2 * sigmoid(u, w, s_u, s_w)


def hard_sigmoid(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """The secant of (3 + x, with x clamped to [-3, 3]) / 6."""
    return clamped(u, w, -3, 3) / 6


def hard_swish(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """The secant of x hard_sigmoid(x)."""
    mean = (u.clamp(-3, 3) + w.clamp(-3, 3) + 6) / 12
    return mean + (u + w) / 12 * clamped(u, w, -3, 3)


def root(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """The secant of v = √x: 1 / (v + v'), or 0 where both are 0 and nothing changes."""
    total = f_u + f_w
    return torch.where(total == 0, 0.0, 1 / total)


def inverse_root(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """The secant of v = x^(-1/2): -v² v'² / (v + v')."""
    return -((f_u * f_w) ** 2) / (f_u + f_w)


def reciprocal(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """The secant of c / x: -c / (u w)."""
    return -f_u / w


def square(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
    """The secant of x²."""
    return u + w


def power(exponent: int) -> Secant:
    """The secant of x^n for n >= 1: the sum of u^i w^(n - 1 - i)."""

    def secant(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
        total = torch.ones_like(u - w)
        for at in range(1, exponent):
            total = total * w + u**at
        return total

    return secant


def power_of(exponent: float | Tensor) -> Secant:
    """The secant of x^p for any p.

    For two positive inputs, x^p = exp(p ln x); for two negative ones, p is a whole number and sets
    the sign. Otherwise the change is as large as the inputs, so subtraction loses no digits. Where
    both are 0 and the slope is infinite, nothing changes and the secant is 0.
    """

    def secant(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
        p = torch.as_tensor(exponent, dtype=u.dtype, device=u.device)
        size_u, size_w = u.abs(), w.abs()
        same = p * exponential(p * size_u.log(), p * size_w.log(), f_u, f_w)
        same = same * logarithm(size_u, size_w, f_u, f_w)
        same = torch.where((u < 0) & (p % 2 == 0), -same, same)
        change = u - w
        apart = torch.where(change == 0, (p == 1).to(u.dtype), (f_u - f_w) / change)
        return torch.where(u.sign() * w.sign() > 0, same, apart)

    return secant


def soft_shrink(threshold: float) -> Secant:
    """The secant of x, moved towards 0 by a threshold, and 0 below it."""
    return lambda u, w, f_u, f_w: 1 - clamped(u, w, -threshold, threshold)


def leaky(slope: float | Tensor) -> Secant:
    """The secant of leaky ReLU with this slope below 0."""
    return lambda u, w, f_u, f_w: 1 - (1 - slope) * clamped(u, w, -torch.inf, 0)


def exponential_below_zero(height: float, scale: float, rate: float) -> Secant:
    """The secant of ELU and its variants.

    The function is scale x above 0 and scale height (exp(rate x) - 1) below.
    """

    def secant(u: Tensor, w: Tensor, f_u: Tensor, f_w: Tensor) -> Tensor:
        below = clamped(u, w, -torch.inf, 0)
        u, w = rate * u.clamp(max=0), rate * w.clamp(max=0)
        return scale * (1 - below + height * rate * exponential(u, w, u, w) * below)

    return secant


def _per_angle(function: Callable[[Tensor], Tensor], d: Tensor) -> Tensor:
    """The sine or hyperbolic sine of d, divided by d."""
    return torch.where(d == 0, 1.0, function(d) / d)


def _log1p(t: Tensor) -> Tensor:
    """ln(1 + t) / t for t >= 0; it falls from 1."""
    return torch.where(t == 0, 1.0, torch.log1p(t) / t)
