"""Images whose rows are pairs of different kinds, and the comparison of a rule with `exact`.

An operation handles each row separately, so one network tests every kind of pair and many
operations at once: exporting a network costs more than explaining it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from deepshap import DeepShap

from ..networks import Function
from .exact import Matrix, Rule, Vector, mp, tensor, vector

KINDS = ("random", "equal", "nearly equal", "constant", "small", "partly equal")
CLOSE, SMALL = 2.0**-23, 2.0**-27  # about 1e-7 and 1e-8

Operation = Callable[[Tensor], Tensor]
"""Maps images (n, c, rows, w) to outputs for each row, (n, rows, ...)."""


def pairs(channels: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """An image and a background image, (1, channels, kinds, width), with a kind of pair per row.

    Their numbers have so few digits that sums of two are exact.
    """
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> Tensor:
        drawn = torch.randn(*shape, generator=generator, dtype=torch.float64)
        return (drawn * 2**16).round() / 2**16

    x, b = noise(2, channels, len(KINDS), width)
    x[:, 1] = b[:, 1]
    x[:, 2] = b[:, 2] + CLOSE * noise(channels, width)
    x[:, 3], b[:, 3] = noise(2, channels, 1)
    x[:, 4] *= SMALL
    b[:, 4] *= SMALL
    x[:, 5, 0] = b[:, 5, 0]
    return x[None], b[None]


def check(
    cases: dict[str, tuple[Operation, Rule]],
    pair: tuple[Tensor, Tensor],
    bounds: dict[str, float] | None = None,
    *,
    size: float | None = None,
) -> None:
    """Compare the engine's attributions of every output with the rules', row by row.

    Args:
        cases: Operations, each with its rule for one row.
        pair: The image and the background image.
        bounds: Largest error relative to a row's largest sum of values, by kind; 1e-12 by default.
        size: If given, errors are relative to this size times the change of the inputs. This is for
            softmax, whose multipliers stay below 1 and may be close to 0.
    """
    x, b = pair
    n_rows = x.shape[2]

    def forward(net: nn.Module, images: Tensor) -> Tensor:
        outputs = [
            operation(images).reshape(len(images), n_rows, -1) for operation, _ in cases.values()
        ]
        return torch.cat(outputs, 2).flatten(1)

    values = DeepShap(Function(forward).eval(), b).attribute(x)[0]
    values = values.unflatten(-1, (n_rows, -1))  # (c, rows, w, rows, outputs)
    for row in range(n_rows):
        others = [other for other in range(n_rows) if other != row]
        assert not values[:, row][:, :, others].any(), "a row depends on another"
    errors = []
    at = 0
    for name, (_, rule) in cases.items():
        n_outputs = len(rule.function(vector(b[0, :, 0])))
        for row in range(n_rows):
            kind = KINDS[row % len(KINDS)]
            u, w = vector(x[0, :, row]), vector(b[0, :, row])
            found = values[:, row, :, row, at : at + n_outputs].flatten(0, 1).T
            scale = None if size is None else size * float((x - b)[0, :, row].abs().max())
            error, scale = _error(found, rule, (u, w), scale)
            if error > scale * (bounds or {}).get(kind, 1e-12):
                errors.append(f"{name}, {kind}: off by {error:.1e} of {scale:.1e}")
        at += n_outputs
    assert at == values.shape[-1]
    assert not errors, "; ".join(errors)


def _error(
    found: Tensor, rule: Rule, pair: tuple[Vector, Vector], scale: float | None
) -> tuple[float, float]:
    """The largest error of a value or a sum of values, and the size that it is relative to."""
    attributions, change = rule.attributions(*pair), rule.change(*pair)
    expected = tensor(attributions)
    if scale is None:
        scale = float(expected.abs().sum(1).max())
    _check_identity(attributions, change, scale)
    errors = torch.cat([(found - expected).flatten(), found.sum(1) - tensor([change])[0]])
    return float(errors.abs().max().nan_to_num(torch.inf)), scale


def _check_identity(attributions: Matrix, change: Vector, scale: float) -> None:
    """Assert that the expected attributions add up, in fifty digits."""
    for row, total in zip(attributions, change, strict=True):
        assert abs(mp.fsum(row) - total) <= mp.mpf(10) ** -30 * mp.mpf(scale)
