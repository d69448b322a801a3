"""Attributions straight from behind the first convolution.

The engine wants sum_b (x - b) * convT(m_b), and the transpose of a first convolution, with one or
three channels to write, uses little of a processor. Summing over the background inside a matrix
product does better. For each position of the (pooled) plane, with one row for each (background,
channel),

    (outputs x rows) @ (rows x patch),

where a row of the right factor is the weight patch under that position times x - b under the patch.
The patches are then added up once. The compiled loop does the same pair by pair: the transposed
weight first, then times x - b.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from deepshap import kernels
from deepshap.graph.program import Program, Step
from deepshap.multiplier import Multiplier, Places
from deepshap.rules.linear import Convolution, Scale, Sum, Unchanged


@dataclass(frozen=True)
class FirstConvolution:
    """A convolution that reads the images, perhaps shifted and scaled channel by channel.

    Attributes:
        rule: Of the convolution.
        weight: Of the convolution, times what one unit of an image becomes before it.
    """

    rule: Convolution
    weight: Tensor

    def attributions(
        self, multiplier: Multiplier, images: Tensor, background: Tensor, pieces: Sequence[slice]
    ) -> list[Tensor]:
        """Attributions of images from the multiplier of the convolution's output.

        Args:
            multiplier: Of the convolution's output, for n * b pairs and k outputs.
            images: (n, c, h, w).
            background: (b, c, h, w).
            pieces: Of the background.

        Returns:
            (x - b) times the multiplier of x, summed over each piece, (n, k, c, h, w).
        """
        if multiplier.places is not None and multiplier.places.window is None:
            multiplier = Multiplier(multiplier.dense())
        rule, places = self.rule, multiplier.places
        window = (1, 1) if places is None or places.window is None else places.window
        seen = _Seen(
            _patches(self.weight, window, rule.stride, rule.dilation),
            (window[0] * rule.stride[0], window[1] * rule.stride[1]),
        )
        padding = (rule.padding[1],) * 2 + (rule.padding[0],) * 2
        padded, others = F.pad(images, padding), F.pad(background, padding)
        summed = seen.compiled(multiplier, padded, others, pieces)
        if summed is None:
            summed = [
                seen.summed(
                    multiplier.among(len(images), len(background), piece), padded, others[piece]
                )
                for piece in pieces
            ]
        (down, right), (h, w) = rule.padding, images.shape[2:]
        return [planes[..., down : down + h, right : right + w] for planes in summed]


@dataclass(frozen=True)
class _Seen:
    """A convolution as seen from each position of the pooled plane behind it.

    Attributes:
        patches: Weights under a position, (channels, window, c, ph, pw).
        step: From one position's patch to the next, vertical and horizontal.
    """

    patches: Tensor
    step: tuple[int, int]

    def compiled(
        self, multiplier: Multiplier, images: Tensor, background: Tensor, pieces: Sequence[slice]
    ) -> list[Tensor] | None:
        """As `summed` for each piece, by a compiled loop where one can."""
        weight = kernels.Weight(self.patches.flatten(2).transpose(1, 2).unsqueeze(2))
        h, w = multiplier.rows.shape[3:]
        under, others = (
            _under(planes, self.patches.shape[3:], self.step)[:, :h, :w]
            for planes in (images, background)
        )
        plane = (images.shape[2], images.shape[3])
        return kernels.contracted(multiplier, weight, under, others, pieces, self.step, plane)

    def summed(self, multiplier: Multiplier, images: Tensor, background: Tensor) -> Tensor:
        """Attributions (n, k, c, h, w) of padded images against all padded background images."""
        places, patches = multiplier.places, self.patches
        n, b, k = len(images), len(background), multiplier.rows.shape[1]
        h, w = multiplier.rows.shape[3:]
        change = (images[:, None] - background[None]).flatten(0, 1)
        change = _under(change, patches.shape[3:], self.step)[:, :h, :w].flatten(3)
        change = torch.unflatten(change, 0, (n, b)).permute(0, 2, 3, 1, 4)  # (n, h, w, b, size)
        if places is None:
            rows = multiplier.dense()
            rows = rows.expand(n * b, *rows.shape[1:]).movedim(2, -1)
            shares = torch.unflatten(rows.flatten(0, 3) @ patches.flatten(1), 0, (n, b, k, h, w))
            summed = shares.mul_(change.permute(0, 3, 1, 2, 4)[:, :, None]).sum(1)
        else:
            left = _positions_first(multiplier.rows, n, b)  # (n, h, w, k, b, channels)
            if multiplier.ratio is not None:
                left = left * _positions_first(multiplier.ratio, n, b)
            right = _weights(places, patches.flatten(2), change.unsqueeze(4))
            summed = torch.bmm(left.flatten(4).flatten(0, 2), right.flatten(3, 4).flatten(0, 2))
            summed = torch.unflatten(summed, 0, (n, h, w)).movedim(3, 1)
        summed = torch.unflatten(summed.flatten(0, 1), 3, patches.shape[2:])
        return torch.unflatten(_added(summed, self.step, images.shape[2:]), 0, (n, k))


def first_convolutions(program: Program) -> dict[fx.Node, FirstConvolution]:
    """Find the convolutions of a network that read the images so."""
    image = program.source.meta["val"]
    found = {}
    for step in program.steps.values():
        rule = step.rule
        if (
            not isinstance(rule, Convolution)
            or rule.groups != 1
            or rule.call.inputs[0] != image.shape
        ):
            continue
        before: list[Step] = []
        node = step.inputs[0]
        while node in program.steps and len(node.users) == 1:
            before.append(program.steps[node])
            node = before[-1].inputs[0]
        if node is not program.source:
            continue
        scale = _scale(before, image.shape[1], rule.weight)
        if scale is not None:
            found[step.node] = FirstConvolution(rule, rule.weight * scale)
    return found


def _scale(before: list[Step], channels: int, weight: Tensor) -> Tensor | None:
    """What one unit of each channel becomes, if steps only shift and scale channels."""
    factor = weight.new_ones(1, channels, 1, 1)
    for step in before:
        if not isinstance(step.rule, Scale | Sum | Unchanged) or len(step.inputs) != 1:
            return None
        if step.rule.call.inputs[0] != step.rule.call.output:
            return None
        (one,) = step.rule.backward(Multiplier(weight.new_ones(1, 1, 1, 1, 1)), (), ())
        if one.dense().shape[2:] not in {(1, 1, 1), (channels, 1, 1)}:
            return None
        factor = factor * one.dense()[0]
    return factor


def _under(planes: Tensor, patch: torch.Size, step: tuple[int, int]) -> Tensor:
    """Cut planes into patches that may overlap, (n, c, ., .) -> (n, h, w, c, *patch)."""
    cut = planes.unfold(2, patch[0], step[0]).unfold(3, patch[1], step[1])
    return cut.permute(0, 2, 3, 1, 4, 5)


def _added(patches: Tensor, step: tuple[int, int], plane: torch.Size) -> Tensor:
    """Add up patches that overlap, (p, h, w, c, ph, pw) -> (p, c, *plane)."""
    h, w, _, tall, wide = patches.shape[1:]
    covered = ((h - 1) * step[0] + tall, (w - 1) * step[1] + wide)
    columns = patches.flatten(3).flatten(1, 2).transpose(1, 2)
    planes = F.fold(columns, covered, (tall, wide), stride=step)
    return F.pad(planes, (0, plane[1] - covered[1], 0, plane[0] - covered[0]))


def _positions_first(factor: Tensor, n: int, b: int) -> Tensor:
    """(n * b or 1, k, channels, h, w) -> (n, h, w, k, b, channels), in that memory order."""
    pairs = torch.unflatten(factor.expand(n * b, *factor.shape[1:]), 0, (n, b))
    return pairs.permute(0, 4, 5, 2, 1, 3).contiguous()


def _weights(places: Places, patches: Tensor, change: Tensor) -> Tensor:
    """Each pair's weights under each position, times change: (n, h, w, b, channels, size)."""
    n, _, _, b = change.shape[:4]
    offset = _positions_first(places.index, n, b)[:, :, :, 0]
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
