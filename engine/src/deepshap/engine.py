"""The engine: pairs of images and background images, a tile at a time, in flat memory."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, fx, nn

from deepshap.blocks import Block, cut, one_thread, workers
from deepshap.graph.program import Program, Tile, joined
from deepshap.graph.verification import check_faithful, sample
from deepshap.input_checks import check_background, check_images, check_network, chosen_outputs
from deepshap.multiplier import Multiplier
from deepshap.rules.first_layer import first_convolutions
from deepshap.rules.linear import Dense

if TYPE_CHECKING:  # so the engine runs on PyTorch alone; the tests check these shapes
    from jaxtyping import Float, Int

_MIB = 2**20


class DeepShap:
    """Explains an image network's outputs by DeepSHAP.

    An image's attributions of output k say how much each pixel moved that output away from its mean
    over the background. They add up: summed over c, h, w they are the output minus its base value,
    whatever the network.

    They are the values of shap.DeepExplainer wherever those add up, and stay additive where those
    do not: overlapping pooling windows, functional calls, modules used twice, attention, norms. The
    README beside this file lists the rules and the two places where the values differ from shap's.

    In float32 the values have float32's digits, probabilities too: what divides a change by a
    change is computed in float64, on devices that have it.

    Args:
        network: In eval mode, exportable by `torch.export`, from (n, c, h, w) to (n, k). It is left
            as it is, and must stay as it is while this explainer is used.
        background: Images (b, c, h, w) that the change is measured from, in the network's dtype.
        chunk_mib: Memory in MiB that the multipliers of one tile may take, and its activations.
            Smaller tiles need more calls, and read each weight more often.
        keep_mib: Memory in MiB up to which the background's activations are kept; beyond it they
            are computed anew for each tile of images, which costs about 1 / k of the time.

    Attributes:
        base_values: Mean output over the background, (k,).

    Raises:
        UnsupportedOperation: The network holds an operation without a rule; names it.
        ValueError: The network is in training mode, or the background does not fit.

    Source: rescale rule, Shrikumar et al. 2017, arXiv:1704.02685; average over a background,
    Lundberg & Lee 2017, arXiv:1705.07874.
    """

    def __init__(
        self,
        network: nn.Module,
        background: Float[Tensor, "b c h w"],
        *,
        chunk_mib: int | None = None,
        keep_mib: int = 512,
    ) -> None:
        check_network(network)
        check_background(background)
        self._device = _device(network, background)
        self._background = background.detach().to(self._device)
        if chunk_mib is None:
            chunk_mib = 128 if self._device.type == "cpu" else 512
        with torch.no_grad():
            # First, so that what a network keeps from its first run holds real tensors.
            expected = sample(network, self._background)
            self._program = Program(network, self._background[:1])
            check_faithful(self._program, network, expected)
            self._first = first_convolutions(self._program)
            self._pair_floats = (
                chunk_mib * _MIB // (self._program.widest * background.element_size())
            )
            image_bytes = max(1, self._program.run(self._background[:1]).n_bytes())
            self._image_limit = max(1, chunk_mib * _MIB // image_bytes)
            keep = image_bytes * len(background) <= keep_mib * _MIB
            with one_thread():
                outputs, self._kept = self._remember(keep)
            mean = outputs.cpu().double().mean(0)  # there, since not every device has float64
            self.base_values = mean.to(background.dtype).to(self._device)

    def attribute(
        self,
        images: Float[Tensor, "n c h w"],
        outputs: Sequence[int] | Int[Tensor, " k"] | Int[Tensor, "n k"] | None = None,
    ) -> Float[Tensor, "n c h w k"]:
        """Share each output's change from its base value among the pixels.

        A call costs the same per image whether it explains one or a thousand, so results can be
        written, and progress shown, slice by slice.

        Args:
            images: What to explain, (n, c, h, w), like the background in everything but n.
            outputs: Which k outputs to explain, in the order wanted; all of them by default. An
                integer tensor (n, k) names others for each image. Time is about proportional to k.

        Returns:
            Output units, (n, c, h, w, k), in the network's dtype and on its device. Summed over
            c, h, w they are the outputs minus `base_values`, within rounding. The exception is a
            softmax output whose own logit changes by less than 1e-6 while its probability changes
            more: a rule that looks at one logit alone cannot see it.

        Raises:
            ValueError: `images` or `outputs` do not fit the network and background.
        """
        values, _ = self._attribute(images, outputs, 1)
        return values

    def attribute_by_group(
        self,
        images: Float[Tensor, "n c h w"],
        outputs: Sequence[int] | Int[Tensor, " k"] | Int[Tensor, "n k"] | None = None,
        n_groups: int = 10,
    ) -> tuple[Float[Tensor, "n c h w k"], Float[Tensor, "n g h w k"]]:
        """Attribute, and show how much that depends on the background, at no extra cost.

        Args:
            images: As for `attribute`.
            outputs: As for `attribute`.
            n_groups: Into how many groups `torch.tensor_split` cuts the background.

        Returns:
            The attributions, and those against each group alone, summed over channels. The mean of
            the latter, weighted by the groups' sizes, is the former, summed over channels.

        Raises:
            ValueError: `images`, `outputs` or `n_groups` do not fit the network and background.
        """
        n_background = len(self._background)
        if not 1 <= n_groups <= n_background:
            raise ValueError(f"n_groups: must be in 1 … {n_background}, got {n_groups}")
        values, sums = self._attribute(images, outputs, n_groups)
        sizes = [len(group) for group in self._background.tensor_split(n_groups)]
        return values, sums / sums.new_tensor(sizes)[:, None, None, None]

    def _attribute(
        self, images: Tensor, outputs: Sequence[int] | Tensor | None, n_groups: int
    ) -> tuple[Tensor, Tensor]:
        """The attributions, and (n, g, h, w, k) sums over channels and the images of a group."""
        check_images(images, self._background)
        chosen = chosen_outputs(outputs, len(images), len(self.base_values))
        images = images.detach().to(self._device)
        start, node, weight = self._start(chosen.to(self._device, non_blocking=True))
        n, _, *plane = images.shape
        values = images.new_empty(*images.shape, chosen.shape[1])
        sums = images.new_empty(n, n_groups, *plane, chosen.shape[1])
        blocks = self._blocks(start.shape[1], n_groups)
        at_once = max(1, self._pair_limit(start.shape[1]) // len(blocks[0]))
        at_once = min(at_once, self._image_limit)
        with torch.no_grad(), workers(self._device) as run:
            for at in range(0, len(images), at_once):
                some = slice(at, at + at_once)
                tile = self._program.run(images[some])
                share = functools.partial(self._attributed, _of(start, some), node, tile)
                total, by_group = _summed(blocks, run(share, blocks), n_groups)
                parts = (total / len(self._background)).movedim(1, -1), by_group.movedim(2, -1)
                if weight is not None:
                    parts = parts[0] @ _of(weight, some), parts[1] @ _of(weight, some)
                values[some], sums[some] = parts
        return values, sums

    def _start(self, chosen: Tensor) -> tuple[Tensor, fx.Node, Tensor | None]:
        """Which multipliers to start from, (n or 1, k, ...), and the node they belong to.

        With more outputs than features enter the last layer, it costs less to attribute the
        features and to multiply by the layer's weight: the third result, (n or 1, 1, 1, features,
        k).
        """
        unit = functools.partial(torch.eye, dtype=self._background.dtype, device=self._device)
        last = self._program.steps[self._program.sink]
        if isinstance(last.rule, Dense) and last.rule.weight.shape[1] < chosen.shape[1]:
            weight = last.rule.weight
            return unit(weight.shape[1])[None], last.inputs[0], weight[chosen].mT[:, None, None]
        return unit(len(self.base_values))[chosen], self._program.sink, None

    @torch.no_grad()  # here and not only in the caller: it holds for a thread
    def _attributed(self, start: Tensor, node: fx.Node, images: Tile, block: Block) -> list[Tensor]:
        """Go back from a node for all pairs with a block: a sum (n, k, c, h, w) for each piece."""
        background = self._recall(block.images)
        n, b, k = len(images), len(background), start.shape[1]
        start = start if len(start) == 1 else start.repeat_interleave(b, 0)
        waiting = {node: Multiplier(start)}
        pieces = [block.within(piece) for piece in block.pieces]
        zero = images.images.new_zeros(n, k, *images.images.shape[1:])
        totals = [zero.clone() for _ in pieces]
        for node, step in reversed(self._program.steps.items()):
            multiplier = waiting.pop(node, None)
            if multiplier is None:
                continue
            if node in self._first:
                planes = images.images, background.images
                sums = self._first[node].attributions(multiplier, *planes, pieces)
                for total, summed in zip(totals, sums, strict=True):
                    total += summed
                continue
            passed = step.rule.backward(multiplier, images.saved[node], background.saved[node])
            for source, part in zip(step.inputs, passed, strict=True):
                if source in waiting:
                    part = part.plus(waiting[source])
                waiting[source] = part
        if self._program.source in waiting:
            multiplier = waiting[self._program.source]
            for total, piece in zip(totals, pieces, strict=True):
                change = images.images[:, None] - background.images[None, piece]
                rows = multiplier.among(n, b, piece).dense()
                rows = rows.expand(change.shape[:2].numel(), *rows.shape[1:])
                total += (torch.unflatten(rows, 0, (n, -1)) * change[:, :, None]).sum(1)
        return totals

    def _recall(self, block: slice) -> Tile:
        """A block of the background with its activations."""
        if self._kept is not None:
            return self._kept.part(block)
        return self._program.run(self._background[block])

    def _blocks(self, n_outputs: int, n_groups: int) -> list[Block]:
        """Cut the background into blocks within the memory."""
        largest = self._pair_limit(n_outputs)
        if self._kept is None:
            largest = min(largest, self._image_limit)
        return cut(len(self._background), n_groups, largest)

    def _remember(self, keep: bool) -> tuple[Tensor, Tile | None]:
        """The outputs of the background, and its activations if they are to be kept."""
        tiles: list[Tile] = []
        outputs = []
        for images in self._background.split(min(self._pair_limit(1), self._image_limit)):
            tile = self._program.run(images)
            outputs.append(tile.outputs)
            if keep:
                tiles.append(tile)
            del tile  # before the next one needs the memory
        return torch.cat(outputs), joined(tiles) if keep else None

    def _pair_limit(self, n_outputs: int) -> int:
        """How many pairs one tile may hold."""
        return max(1, self._pair_floats // n_outputs)


def _summed(
    blocks: list[Block], parts: Iterable[list[Tensor]], n_groups: int
) -> tuple[Tensor, Tensor]:
    """Sums over the background (n, k, c, h, w); over groups and channels (n, g, k, h, w)."""
    total, groups = torch.zeros(()), [torch.zeros(())] * n_groups
    for block, of_block in zip(blocks, parts, strict=True):
        for piece, part in zip(block.pieces, of_block, strict=True):
            total = total + part
            groups[piece.group] = groups[piece.group] + part.sum(2)
    return total, torch.stack(groups, 1)


def _of(each: Tensor, some: slice) -> Tensor:
    """Some of what there is one for each image, or one for all."""
    return each if len(each) == 1 else each[some]


def _device(network: nn.Module, background: Tensor) -> torch.device:
    for tensor in (*network.parameters(), *network.buffers()):
        return tensor.device
    return background.device
