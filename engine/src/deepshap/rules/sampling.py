"""The rule for sampling images at positions that depend on the images.

Sampling is linear in the image, so its share is the transpose, averaged over both sides' positions.
Each coordinate's share is the change that it makes to samples of the mean image, averaged over
switching coordinates in both directions. For planes, this is the Shapley value of two players.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from deepshap.precision import Activation
from deepshap.rules.base import Call, PairRule, Rule, Saved
from deepshap.rules.linear import Linear


class Sampling(PairRule):
    """Interpolation of planes or volumes at a grid of positions, (n, ..., coordinates)."""

    def save(self, inputs: Sequence[Activation], output: Activation) -> Saved:
        """Images and grids in float64, since grids may change little relative to their values."""
        return tuple(x.wide for x in inputs)

    def for_pair(self, multiplier: Tensor, image: Saved, background: Saved) -> Sequence[Tensor]:
        """Pass to the image, if it varies, and to the grid."""
        (*x, grid), (*x_b, grid_b) = self.shaped(image), self.shaped(background)
        mean = [(u + w) / 2 for u, w in zip(x, x_b, strict=True)]
        effects = _effects(lambda at: self.call.function(*mean, at), grid, grid_b)
        change = (grid - grid_b).movedim(-1, 0)
        shares = [
            torch.where(own == 0, 0.0, (multiplier * effect).sum(1) / own).to(multiplier.dtype)
            for effect, own in zip(effects, change, strict=True)
        ]
        passed = [torch.stack(shares, -1)]
        if x:
            passed.insert(
                0, (self._transposed(multiplier, grid) + self._transposed(multiplier, grid_b)) / 2
            )
        return passed

    def _transposed(self, multiplier: Tensor, grid: Tensor) -> Tensor:
        """The multiplier of the image for samples at these positions."""
        zeros = multiplier.new_zeros(self.call.inputs[0])
        grid = grid.to(multiplier.dtype)
        with torch.enable_grad():
            transpose = torch.func.vjp(lambda x: self.call.narrow(x, grid), zeros)[1]
        passed: Tensor = transpose(multiplier)[0]
        return passed


def sampled(call: Call) -> Rule:
    """The rule of sampling an image, where the grid may be constant."""
    return Linear(call) if call.varying == ("input",) else Sampling(call)


def _effects(sample: Callable[[Tensor], Tensor], grid: Tensor, grid_b: Tensor) -> list[Tensor]:
    """The effect of each coordinate, the mean over switching them in both directions."""
    n = grid.shape[-1]
    effects = [torch.zeros((), dtype=grid.dtype, device=grid.device)] * n
    for order in (range(n), reversed(range(n))):
        at, before = grid_b, sample(grid_b)
        for axis in order:
            switched = torch.arange(n, device=grid.device) == axis
            at = torch.where(switched, grid, at)
            after = sample(at)
            effects[axis] = effects[axis] + (after - before) / 2
            before = after
    return effects
