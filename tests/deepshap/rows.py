"""Images whose rows are the pairs that a rule is tried on, and the comparison with `exact`.

One network then tries them all: the operation takes each row for itself.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from stages.deepshap import DeepShap

from .exact import Matrix, Rule, Vector, mp, tensor, vector
from .networks import Function

KINDS = ("random", "equal", "nearly equal", "constant", "small", "partly equal")
CLOSE, SMALL = 2.0**-23, 2.0**-27  # about 1e-7 and 1e-8


def pairs(channels: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """An image and a background image, (1, channels, kinds, width), a kind of pair in each row.

    They hold so few digits that sums of two are exact.
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
    operation: Callable[[Tensor], Tensor],
    rule: Rule,
    pair: tuple[Tensor, Tensor],
    bounds: dict[str, float] | None = None,
    *,
    size: float | None = None,
) -> None:
    """Compare the engine's attributions of every output with the rule's, row by row.

    Args:
        operation: From images to an output for each row: (n, rows, ...).
        rule: The same for one row.
        pair: The image and the background image.
        bounds: Largest error relative to a row's largest sum of values, by kind; 1e-12 by default.
        size: What they are relative to instead, per change of the inputs: for softmax, whose
            multipliers stay below 1 and may all but vanish.
    """
    x, b = pair
    network = Function(lambda net, images: operation(images).flatten(1)).eval()
    values = DeepShap(network, b).attribute(x)[0]
    n_rows = x.shape[2]
    values = values.unflatten(-1, (n_rows, -1))  # (c, rows, w, rows, outputs)
    for row in range(n_rows):
        kind = KINDS[row % len(KINDS)]
        u, w = vector(x[0, :, row]), vector(b[0, :, row])
        attributions, change = rule.attributions(u, w), rule.change(u, w)
        expected = tensor(attributions)
        found = values[:, row, :, row].flatten(0, 1).T
        whole = expected.abs().sum(1).max()
        if size is not None:
            whole = size * (x - b)[0, :, row].abs().max()
        check_identity(attributions, change, whole)
        bound = whole * (bounds or {}).get(kind, 1e-12)
        error = (found - expected).abs().max()
        assert error <= bound, f"{kind}: off by {error:.1e} of {whole:.1e}"
        gap = (found.sum(1) - tensor([change])[0]).abs().max()
        assert gap <= bound, f"{kind}: the sum is off by {gap:.1e} of {whole:.1e}"
        others = [other for other in range(n_rows) if other != row]
        assert not values[:, row][:, :, others].any(), f"{kind}: a row depends on another"


def check_identity(attributions: Matrix, change: Vector, whole: Tensor) -> None:
    """The oracle's own: they add up, in fifty digits."""
    for row, total in zip(attributions, change, strict=True):
        assert abs(mp.fsum(row) - total) <= mp.mpf(10) ** -30 * mp.mpf(float(whole))
