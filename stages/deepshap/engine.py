"""The engine: pairs of images and background images, a tile at a time, in flat memory."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, fx, nn

from .faithful import check_faithful, sample
from .first_layer import first_convolutions
from .linear import Dense
from .multiplier import Multiplier
from .program import Program, Tile, joined

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
        _check_network(network)
        _check_background(background)
        self._device = _device(network, background)
        self._background = background.detach().to(self._device)
        if chunk_mib is None:
            chunk_mib = 32 if self._device.type == "cpu" else 512
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
        _check_images(images, self._background)
        chosen = _chosen(outputs, len(images), len(self.base_values))
        images = images.detach().to(self._device)
        start, node, weight = self._start(chosen.to(self._device, non_blocking=True))
        values = images.new_empty(*images.shape, chosen.shape[1])
        blocks = self._blocks(start.shape[1])
        at_once = max(1, self._pair_limit(start.shape[1]) // len(self._background[blocks[0]]))
        at_once = min(at_once, self._image_limit)
        with torch.no_grad(), self._workers() as run:
            for at in range(0, len(images), at_once):
                some = slice(at, at + at_once)
                tile = self._program.run(images[some])
                share = functools.partial(self._attributed, _of(start, some), node, tile)
                total = functools.reduce(torch.add, run(share, blocks))
                part = (total / len(self._background)).movedim(1, -1)
                values[some] = part if weight is None else part @ _of(weight, some)
        return values

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
    def _attributed(self, start: Tensor, node: fx.Node, images: Tile, block: slice) -> Tensor:
        """Go back from a node for all pairs with a block: (n, k, c, h, w), its sum."""
        background = self._recall(block)
        n, b, k = len(images), len(background), start.shape[1]
        start = start if len(start) == 1 else start.repeat_interleave(b, 0)
        waiting = {node: Multiplier(start)}
        total = images.images.new_zeros(n, k, *images.images.shape[1:])
        for node, step in reversed(self._program.steps.items()):
            multiplier = waiting.pop(node, None)
            if multiplier is None:
                continue
            if node in self._first:
                first = self._first[node]
                total += first.attributions(multiplier, images.images, background.images)
                continue
            passed = step.rule.backward(multiplier, images.saved[node], background.saved[node])
            for source, part in zip(step.inputs, passed, strict=True):
                if source in waiting:
                    part = Multiplier(waiting[source].dense() + part.dense())
                waiting[source] = part
        if self._program.source in waiting:
            change = images.images[:, None] - background.images[None]
            rows = waiting[self._program.source].dense()
            rows = torch.unflatten(rows.expand(n * b, *rows.shape[1:]), 0, (n, b))
            total += (rows * change[:, :, None]).sum(1)
        return total

    def _recall(self, block: slice) -> Tile:
        """A block of the background with its activations."""
        if self._kept is not None:
            return self._kept.part(block)
        return self._program.run(self._background[block])

    @contextmanager
    def _workers(self) -> Iterator[Callable[..., Iterator[Tensor]]]:
        """A `map` that gives each processor core tiles of its own.

        Most operations on a tile that fits the caches are too small to be split among cores, and
        waiting for the slowest core after each of them costs more than the split gains.
        """
        n_threads = torch.get_num_threads()
        if self._device.type != "cpu" or n_threads == 1:
            yield map
            return
        torch.set_num_threads(1)
        try:
            with ThreadPoolExecutor(n_threads) as pool:
                yield pool.map
        finally:
            torch.set_num_threads(n_threads)

    def _blocks(self, n_outputs: int) -> list[slice]:
        """Cut the background into blocks within the memory, equally many for each core."""
        largest = self._pair_limit(n_outputs)
        if self._kept is None:
            largest = min(largest, self._image_limit)
        n_blocks = -(-len(self._background) // largest)
        if self._device.type == "cpu":
            n_threads = torch.get_num_threads()
            n_blocks = min(-(-n_blocks // n_threads) * n_threads, len(self._background))
        sizes = [len(block) for block in self._background.tensor_split(n_blocks)]
        ends = list(itertools.accumulate(sizes))
        return [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]

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


def _of(each: Tensor, some: slice) -> Tensor:
    """Some of what there is one for each image, or one for all."""
    return each if len(each) == 1 else each[some]


def _device(network: nn.Module, background: Tensor) -> torch.device:
    for tensor in (*network.parameters(), *network.buffers()):
        return tensor.device
    return background.device


def _check_network(network: nn.Module) -> None:
    training = [name or "the network" for name, m in network.named_modules() if m.training]
    if training:
        raise ValueError(f"network: {training[0]} is in training mode; call network.eval() first")


def _check_background(background: Tensor) -> None:
    if background.ndim != 4 or 0 in background.shape:
        raise ValueError(
            f"background: has the shape {tuple(background.shape)}, expected (b, c, h, w) with at "
            "least one image"
        )
    if not background.is_floating_point():
        raise ValueError(f"background: is {background.dtype}; call background.float() first")


def _check_images(images: Tensor, background: Tensor) -> None:
    if images.ndim != 4 or images.shape[1:] != background.shape[1:]:
        raise ValueError(
            f"images: have the shape {tuple(images.shape)}, expected (n, "
            f"{', '.join(map(str, background.shape[1:]))}) as the background"
        )
    if images.dtype != background.dtype:
        raise ValueError(
            f"images: are {images.dtype}, the background is {background.dtype}; "
            f"call images.to({background.dtype}) first"
        )


def _chosen(outputs: Sequence[int] | Tensor | None, n_images: int, n_outputs: int) -> Tensor:
    """Which outputs to explain: of each image, (n, k), or of all alike, (1, k)."""
    chosen = torch.as_tensor(range(n_outputs) if outputs is None else outputs).cpu()
    if chosen.numel() == 0 and n_images > 0:
        raise ValueError("outputs: is empty; name at least one, or None for all")
    if chosen.is_floating_point() or chosen.dtype == torch.bool:
        raise ValueError(f"outputs: is {chosen.dtype}, expected integers")
    if chosen.ndim != 1 and (chosen.ndim != 2 or len(chosen) != n_images):
        raise ValueError(
            f"outputs: has the shape {tuple(chosen.shape)}, expected (k,), or ({n_images}, k) for "
            "the outputs of each image"
        )
    for output in chosen.flatten().tolist():
        if not 0 <= output < n_outputs:
            raise ValueError(f"outputs: {output} is not among 0 to {n_outputs - 1}")
    return chosen if chosen.ndim == 2 else chosen[None]
