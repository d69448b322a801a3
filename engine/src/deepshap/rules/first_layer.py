"""Attributions directly from the output of the first convolution.

The engine needs sum_b (x - b) * convT(m_b). The transpose of a first convolution writes one or
three channels only, which uses little of a processor. A matrix product that sums over the
background is faster. For each position of the (pooled) plane, with one row for each (background
image, channel), it is

    (outputs × rows) @ (rows × patch),

where a row of the right factor is the weight patch under that position times x - b under the patch.
The overlapping patches are then added up once. The compiled loop does the same for one pair at a
time: it transposes first, then multiplies by x - b.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from deepshap import kernels
from deepshap.multiplier import Multiplier, Positions
from deepshap.rules.linear import Convolution


@dataclass(frozen=True)
class FirstConvolution:
    """A convolution that reads the images, shifted and scaled by channel at most.

    Attributes:
        rule: The rule of the convolution.
        weight: The weight of the convolution, times the factor of each channel before it.
    """

    rule: Convolution
    weight: Tensor

    def attributions(
        self, multiplier: Multiplier, images: Tensor, background: Tensor, pieces: Sequence[slice]
    ) -> list[Tensor]:
        """Attributions of images from the multiplier of the convolution's output.

        Args:
            multiplier: The multiplier of the convolution's output, for n * b pairs and k outputs.
            images: (n, c, h, w).
            background: (b, c, h, w).
            pieces: Slices of the background.

        Returns:
            (x - b) times the multiplier of x, summed over each piece, (n, k, c, h, w).
        """
        if multiplier.positions is not None and multiplier.positions.window is None:
            multiplier = Multiplier(multiplier.dense())
        rule, positions = self.rule, multiplier.positions
        window = (1, 1) if positions is None or positions.window is None else positions.window
        view = _PatchView(
            _patches(self.weight, window, rule.stride, rule.dilation),
            (window[0] * rule.stride[0], window[1] * rule.stride[1]),
        )
        padding = (rule.padding[1],) * 2 + (rule.padding[0],) * 2
        padded, others = F.pad(images, padding), F.pad(background, padding)
        summed = view.compiled(multiplier, padded, others, pieces)
        if summed is None:
            summed = [
                view.summed(
                    multiplier.for_background(len(images), len(background), piece),
                    padded,
                    others[piece],
                )
                for piece in pieces
            ]
        (down, right), (h, w) = rule.padding, images.shape[2:]
        return [planes[..., down : down + h, right : right + w] for planes in summed]


@dataclass(frozen=True)
class _PatchView:
    """A convolution as seen from each position of the pooled plane behind it.

    Attributes:
        patches: Weights under a position, (channels, window, c, ph, pw).
        step: Vertical and horizontal distance from one position's patch to the next.
    """

    patches: Tensor
    step: tuple[int, int]

    def compiled(
        self, multiplier: Multiplier, images: Tensor, background: Tensor, pieces: Sequence[slice]
    ) -> list[Tensor] | None:
        """The result of `summed` for each piece by a compiled loop, or None without one."""
        weight = kernels.Weight(self.patches.flatten(2).transpose(1, 2).unsqueeze(2))
        h, w = multiplier.rows.shape[3:]
        under, others = (
            _under(planes, self.patches.shape[3:], self.step)[:, :h, :w]
            for planes in (images, background)
        )
        plane = (images.shape[2], images.shape[3])
        return kernels.contracted(multiplier, weight, under, others, pieces, self.step, plane)

    def summed(self, multiplier: Multiplier, images: Tensor, background: Tensor) -> Tensor:
        """Attributions (n, k, c, h, w) of padded images, summed over padded background images."""
        positions, patches = multiplier.positions, self.patches
        n, b, k = len(images), len(background), multiplier.rows.shape[1]
        h, w = multiplier.rows.shape[3:]
        change = (images[:, None] - background[None]).flatten(0, 1)
        change = _under(change, patches.shape[3:], self.step)[:, :h, :w].flatten(3)
        change = torch.unflatten(change, 0, (n, b)).permute(0, 2, 3, 1, 4)  # (n, h, w, b, size)
        if positions is None:
            rows = multiplier.dense()
            rows = rows.expand(n * b, *rows.shape[1:]).movedim(2, -1)
            shares = torch.unflatten(rows.flatten(0, 3) @ patches.flatten(1), 0, (n, b, k, h, w))
            summed = shares.mul_(change.permute(0, 3, 1, 2, 4)[:, :, None]).sum(1)
        else:
            left = _positions_first(multiplier.filled, n, b)  # (n, h, w, k, b, channels)
            if multiplier.ratio is not None:
                left = left * _positions_first(multiplier.ratio, n, b)
            right = _weights(positions, patches.flatten(2), change.unsqueeze(4))
            summed = torch.bmm(left.flatten(4).flatten(0, 2), right.flatten(3, 4).flatten(0, 2))
            summed = torch.unflatten(summed, 0, (n, h, w)).movedim(3, 1)
        summed = torch.unflatten(summed.flatten(0, 1), 3, patches.shape[2:])
        return torch.unflatten(_added(summed, self.step, images.shape[2:]), 0, (n, k))


def _under(planes: Tensor, patch: torch.Size, step: tuple[int, int]) -> Tensor:
    """Cut planes into patches that may overlap, (n, c, ., .) -> (n, h, w, c, *patch)."""
    cut = planes.unfold(2, patch[0], step[0]).unfold(3, patch[1], step[1])
    return cut.permute(0, 2, 3, 1, 4, 5)


def _added(patches: Tensor, step: tuple[int, int], plane: torch.Size) -> Tensor:
    """Add up overlapping patches, (p, h, w, c, ph, pw) -> (p, c, *plane)."""
    h, w, _, tall, wide = patches.shape[1:]
    covered = ((h - 1) * step[0] + tall, (w - 1) * step[1] + wide)
    columns = patches.flatten(3).flatten(1, 2).transpose(1, 2)
    planes = F.fold(columns, covered, (tall, wide), stride=step)
    return F.pad(planes, (0, plane[1] - covered[1], 0, plane[0] - covered[0]))


def _positions_first(factor: Tensor, n: int, b: int) -> Tensor:
    """(n * b or 1, k, channels, h, w) -> (n, h, w, k, b, channels), in that memory order."""
    pairs = torch.unflatten(factor.expand(n * b, *factor.shape[1:]), 0, (n, b))
    return pairs.permute(0, 4, 5, 2, 1, 3).contiguous()


def _weights(positions: Positions, patches: Tensor, change: Tensor) -> Tensor:
    """Each pair's weights under each position, times change: (n, h, w, b, channels, size)."""
    n, _, _, b = change.shape[:4]
    offset = _positions_first(positions.index, n, b)[:, :, :, 0]
    row = torch.arange(len(patches), device=patches.device) * patches.shape[1] + offset
    return F.embedding(row, patches.flatten(0, 1)).mul_(change)


def _patches(
    weight: Tensor, window: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> Tensor:
    """Weights as seen from each position of a window: (channels, window, c, ph, pw)."""
    channels, c, kh, kw = weight.shape
    (tall, wide), (sy, sx), (dy, dx) = window, stride, dilation
    height, width = (tall - 1) * sy + (kh - 1) * dy + 1, (wide - 1) * sx + (kw - 1) * dx + 1
    patches = weight.new_zeros(channels, tall, wide, c, height, width)
    for y in range(tall):
        for x in range(wide):
            rows = slice(y * sy, y * sy + (kh - 1) * dy + 1, dy)
            columns = slice(x * sx, x * sx + (kw - 1) * dx + 1, dx)
            patches[:, y, x, :, rows, columns] = weight
    return patches.flatten(1, 2)
