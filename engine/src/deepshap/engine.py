"""The engine: explains batches of images against chunks of the background."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, fx, nn

from deepshap.chunks import Chunk, cut, parallel_map, single_threaded_pytorch, slices
from deepshap.graph.first_convolutions import first_convolutions
from deepshap.graph.program import Batch, Program, Step, concatenated
from deepshap.graph.untouched import untouched, without_autocast
from deepshap.graph.verification import check_equivalent, sample
from deepshap.input_checks import check_background, check_images, check_network, chosen_outputs
from deepshap.multiplier import Multiplier
from deepshap.rules.base import Saved
from deepshap.rules.linear import Convolution, Dense

if TYPE_CHECKING:  # the engine runs without jaxtyping; its tests check these shapes
    from jaxtyping import Float, Int

_MIB = 2**20


class DeepShap:
    """Explains the outputs of an image network by DeepSHAP.

    The attributions of output k say how much each pixel of an image moved that output away from its
    mean over the background. They are additive: summed over c, h and w they equal the output minus
    its base value, for every network the engine accepts.

    The values equal those of `shap.DeepExplainer` wherever shap's add up, and are additive where
    shap's are not: overlapping pooling windows, functional calls, modules used twice, attention,
    norms. The README lists the rules and the two cases in which the values differ from shap's.

    Values in float32 have the precision of float32, for probabilities too: quotients of two changes
    are computed in float64 on devices that have it.

    Args:
        network: A network in eval mode that `torch.export` can export; maps (n, c, h, w) to (n, k).
            Volumes (n, c, d, h, w) work as well: read d, h and w for h and w below.
            It is not changed, and must not change while the explainer is in use.
        background: Images (b, c, h, w) that changes are measured from, in the network's dtype.
        chunk_mib: Memory in MiB for the multipliers of one batch of images with one chunk of the
            background, and likewise for the activations. With less memory, the engine makes more
            calls and reads each weight more often. By default 128 on the CPU and 512 elsewhere.
        keep_mib: Memory in MiB up to which the activations of the background are kept. Above it,
            they are recomputed, at about the cost of two outputs, and images whose own activations
            fit into that memory share this work.

    Attributes:
        base_values: Mean outputs over the background, (k,).

    Raises:
        UnsupportedOperation: The network contains an operation without a rule, or cannot be
            exported. The message names the operation, the module and what to do.
        ValueError: The network is in training mode, or the background has the wrong shape or dtype.

    Sources: rescale rule, Shrikumar et al. 2017, arXiv:1704.02685; average over a background,
    Lundberg & Lee 2017, arXiv:1705.07874.
    """

    def __init__(
        self,
        network: nn.Module,
        background: Float[Tensor, "b c *depth h w"],
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
        with untouched(network, self._device):
            # Before the export, so that a network caches real tensors in its first run.
            expected = sample(network, self._background)
            self._program = Program(network, self._background[:1])
        with without_autocast(self._device):
            check_equivalent(self._program, network, expected)
            self._first = first_convolutions(self._program)
            self._pair_floats = (
                chunk_mib * _MIB // (self._program.widest * background.element_size())
            )
            image_bytes = max(1, self._program.run(self._background[:1]).n_bytes())
            self._image_limit = max(1, chunk_mib * _MIB // image_bytes)
            self._keep_limit = keep_mib * _MIB // image_bytes
            with single_threaded_pytorch():
                outputs, self._kept = self._remember(len(background) <= self._keep_limit)
            mean = outputs.cpu().double().mean(0)  # some devices have no float64
            self.base_values = mean.to(background.dtype).to(self._device)

    def attribute(
        self,
        images: Float[Tensor, "n c *depth h w"],
        outputs: Sequence[int] | Int[Tensor, " k"] | Int[Tensor, "n k"] | None = None,
    ) -> Float[Tensor, "n c *depth h w k"]:
        """Distribute each output's change from its base value over the pixels.

        The time per image does not depend on the number of images in a call, so callers may pass
        slices to write results and show progress. The exception are networks whose activations for
        the background exceed `keep_mib`: there, slices of a few images take less time per image.

        Args:
            images: The images to explain, (n, c, h, w), with the background's dtype and image size.
            outputs: The k outputs to explain, in this order; all by default. An integer tensor
                (n, k) selects the outputs of each image. Time is about proportional to k.

        Returns:
            The attributions, (n, c, h, w, k), in units of the output, in the network's dtype and on
                its device. Summed over c, h and w they equal the outputs minus `base_values`,
                within rounding. The exception is a network that ends in softmax: where a logit
                changes by less than 1e-6 while its probability changes more, the rule, which looks
                at this logit only, misses the change.

        Raises:
            ValueError: `images` or `outputs` do not fit the network and background.
        """
        values, _ = self._attribute(images, outputs, 1)
        return values

    def attribute_by_group(
        self,
        images: Float[Tensor, "n c *depth h w"],
        outputs: Sequence[int] | Int[Tensor, " k"] | Int[Tensor, "n k"] | None = None,
        n_groups: int = 10,
    ) -> tuple[Float[Tensor, "n c *depth h w k"], Float[Tensor, "n g *depth h w k"]]:
        """Attributions, and those against each group of the background, at no extra cost.

        The groups show how much the attributions depend on the choice of background images.

        Args:
            images: The images to explain, as for `attribute`.
            outputs: The outputs to explain, as for `attribute`.
            n_groups: Number of groups, cut as by `torch.tensor_split`.

        Returns:
            The attributions (n, c, h, w, k), and those against each group alone, summed over
                channels, (n, g, h, w, k). The mean of the latter, weighted by the sizes of the
                groups, equals the former, summed over channels.

        Raises:
            ValueError: `images`, `outputs` or `n_groups` do not fit the network and background.
        """
        n_background = len(self._background)
        if not 1 <= n_groups <= n_background:
            raise ValueError(f"n_groups: must be in 1 … {n_background}, got {n_groups}")
        values, sums = self._attribute(images, outputs, n_groups)
        sizes = [len(group) for group in self._background.tensor_split(n_groups)]
        return values, (sums.movedim(1, -1) / sums.new_tensor(sizes)).movedim(-1, 1)

    def _attribute(
        self, images: Tensor, outputs: Sequence[int] | Tensor | None, n_groups: int
    ) -> tuple[Tensor, Tensor]:
        """The attributions, and their sums (n, g, h, w, k) over channels and over each group."""
        check_images(images, self._background)
        chosen = chosen_outputs(outputs, len(images), len(self.base_values))
        images = images.detach().to(self._device)
        start, node, weight = self._start(chosen.to(self._device, non_blocking=True))
        n, _, *sides = images.shape
        values = images.new_empty(*images.shape, chosen.shape[1])
        sums = images.new_empty(n, n_groups, *sides, chosen.shape[1])
        chunks = self._chunks(start.shape[1], n_groups)
        batch_size = max(1, self._pair_limit(start.shape[1]) // len(chunks[0]))
        batch_size = min(batch_size, self._image_limit)
        n_sharing = batch_size
        if self._kept is None:
            n_sharing = max(n_sharing, self._keep_limit)
        with without_autocast(self._device), parallel_map(self._device) as run:
            for at in range(0, n, n_sharing):
                selection = slice(at, min(n, at + n_sharing))
                batches = [
                    (_for_images(start, part), self._forward(images[part], run))
                    for part in slices(selection, batch_size)
                ]
                explain = functools.partial(self._explained, node, batches)
                total, by_group = _summed(chunks, run(explain, chunks), n_groups)
                found = (total / len(self._background)).movedim(1, -1), by_group.movedim(2, -1)
                if weight is not None:
                    last = _for_images(weight, selection)
                    last = last.reshape(len(last), *[1] * (images.ndim - 2), *last.shape[1:])
                    found = found[0] @ last, found[1] @ last
                values[selection], sums[selection] = found
        return values, sums

    def _start(self, chosen: Tensor) -> tuple[Tensor, fx.Node, Tensor | None]:
        """The multipliers to start from, (n or 1, k, ...), and the node that they belong to.

        If there are more outputs than inputs of the last layer, it costs less to attribute these
        features and to multiply the attributions by the layer's weight, which is the third result,
        (n or 1, features, k).
        """
        unit = functools.partial(torch.eye, dtype=self._background.dtype, device=self._device)
        last = self._program.steps[self._program.sink]
        if isinstance(last.rule, Dense) and last.rule.weight.shape[1] < chosen.shape[1]:
            weight = last.rule.weight
            return unit(weight.shape[1])[None], last.inputs[0], weight[chosen].mT
        return unit(len(self.base_values))[chosen], self._program.sink, None

    def _forward(self, images: Tensor, run: Callable[..., Iterable[Batch]]) -> Batch:
        """The forward pass of one batch, on up to two cores.

        The cut decides last digits, so it does not depend on the number of cores.
        """
        n_parts = min(len(images), 2) if self._device.type == "cpu" else 1
        return concatenated(list(run(self._run, images.tensor_split(n_parts))))

    @torch.no_grad()  # not only in the caller, since it applies to the current thread
    def _run(self, images: Tensor) -> Batch:
        return self._program.run(images)

    @torch.no_grad()
    def _explained(
        self, node: fx.Node, batches: list[tuple[Tensor, Batch]], chunk: Chunk
    ) -> list[Tensor]:
        """The backward passes of some batches: a sum (n, k, c, h, w) for each piece."""
        background = self._recall(chunk.images)
        passes = [
            self._attributed(start, node, images, background, chunk) for start, images in batches
        ]
        return [torch.cat(sums) for sums in zip(*passes, strict=True)]

    def _attributed(
        self, start: Tensor, node: fx.Node, images: Batch, background: Batch, chunk: Chunk
    ) -> list[Tensor]:
        """The backward pass from a node for all pairs: a sum (n, k, c, h, w) for each piece."""
        n, b, k = len(images), len(background), start.shape[1]
        start = start if len(start) == 1 else start.repeat_interleave(b, 0)
        waiting = {node: Multiplier(start)}
        pieces = [chunk.within(piece) for piece in chunk.pieces]
        changed = {}
        if self._device.type == "cpu":  # only compiled loops skip what does not change
            changed = self._program.changed(images.images, background.images)
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
            saved, where = (images.saved[node], background.saved[node]), changed.get(step.inputs[0])
            _pass_back(step, multiplier, saved, waiting, where)
        if self._program.source in waiting:
            multiplier = waiting[self._program.source]
            for total, piece in zip(totals, pieces, strict=True):
                change = images.images[:, None] - background.images[None, piece]
                rows = multiplier.for_background(n, b, piece).dense()
                rows = rows.expand(change.shape[:2].numel(), *rows.shape[1:])
                total += (torch.unflatten(rows, 0, (n, -1)) * change[:, :, None]).sum(1)
        return totals

    def _recall(self, selection: slice) -> Batch:
        """Images of the background with their activations."""
        if self._kept is not None:
            return self._kept[selection]
        return self._program.run(self._background[selection])

    def _chunks(self, n_outputs: int, n_groups: int) -> list[Chunk]:
        """The background in chunks that fit into memory."""
        largest = self._pair_limit(n_outputs)
        if self._kept is None:
            largest = min(largest, self._image_limit)
        return cut(len(self._background), n_groups, largest)

    def _remember(self, keep: bool) -> tuple[Tensor, Batch | None]:
        """The outputs of the background, and its activations if they are to be kept."""
        batches: list[Batch] = []
        outputs = []
        for images in self._background.split(min(self._pair_limit(1), self._image_limit)):
            batch = self._program.run(images)
            outputs.append(batch.outputs)
            if keep:
                batches.append(batch)
            del batch  # free its memory before the next one
        return torch.cat(outputs), concatenated(batches) if keep else None

    def _pair_limit(self, n_outputs: int) -> int:
        """The most pairs of one batch with one chunk."""
        return max(1, self._pair_floats // n_outputs)


def _pass_back(
    step: Step,
    multiplier: Multiplier,
    saved: tuple[Saved, Saved],
    waiting: dict[fx.Node, Multiplier],
    changed: Tensor | None,
) -> None:
    """Pass a multiplier back through a step; add the results to those that wait at its inputs."""
    if isinstance(step.rule, Convolution) and step.inputs[0] in waiting:
        onto = waiting.pop(step.inputs[0])
        waiting[step.inputs[0]] = step.rule.backward_onto(multiplier, onto, changed)
        return
    passed = step.rule.backward_where(multiplier, *saved, changed)
    for source, arriving in zip(step.inputs, passed, strict=True):
        waiting[source] = arriving.plus(waiting[source]) if source in waiting else arriving


def _summed(
    chunks: list[Chunk], by_chunk: Iterable[list[Tensor]], n_groups: int
) -> tuple[Tensor, Tensor]:
    """Sums over the background (n, k, c, h, w); over groups and channels (n, g, k, h, w)."""
    total, groups = torch.zeros(()), [torch.zeros(())] * n_groups
    for chunk, by_piece in zip(chunks, by_chunk, strict=True):
        for piece, values in zip(chunk.pieces, by_piece, strict=True):
            total = total + values
            groups[piece.group] = groups[piece.group] + values.sum(2)
    return total, torch.stack(groups, 1)


def _for_images(values: Tensor, selection: slice) -> Tensor:
    """A selection of values that each image has, or the single value for all images."""
    return values if len(values) == 1 else values[selection]


def _device(network: nn.Module, background: Tensor) -> torch.device:
    for tensor in (*network.parameters(), *network.buffers()):
        return tensor.device
    return background.device
