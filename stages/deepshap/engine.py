"""The engine: pairs of images and background images, a tile at a time, in flat memory."""

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from .faithful import check_faithful, sample
from .first_layer import first_convolutions
from .multiplier import Multiplier
from .program import Program, Tile, joined

_MIB = 2**20


class DeepShap:
    """Explains an image network's outputs by DeepSHAP.

    An image's attributions of output k say how much each pixel moved that output away from its mean
    over the background. They add up: summed over c, h, w they are the output minus its base value,
    whatever the network (for softmax and log-softmax, which must come last: see below).

    They are the values of shap.DeepExplainer wherever those add up, and stay additive where those
    do not: overlapping pooling windows, functional calls, modules used twice. Max pooling gives the
    change of a maximum to the position of the larger side. A product of two branches gives each
    factor its change times the mean of the other. Softmax follows shap's element-wise rule: a
    probability is explained through its own logit alone.

    In float32 the values have float32's digits, probabilities too: what divides a change by a
    change is computed in float64, on devices that have it.

    Args:
        network: In eval mode, exportable by `torch.export`, from (n, c, h, w) to (n, k). It is left
            as it is, and must stay as it is while this explainer is used.
        background: Images (b, c, h, w) that the change is measured from, in the network's dtype.
        chunk_mib: Memory in MiB that the multipliers of one tile may take. The default keeps a
            tile within the processor's caches; a GPU is busy only with more.
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
        background: Tensor,
        *,
        chunk_mib: int | None = None,
        keep_mib: int = 512,
    ) -> None:
        _check_network(network)
        _check_background(background)
        self._device = _device(network, background)
        self._background = background.detach().to(self._device)
        if chunk_mib is None:
            chunk_mib = 16 if self._device.type == "cpu" else 512
        with torch.no_grad():
            # First, so that what a network keeps from its first run holds real tensors.
            expected = sample(network, self._background)
            self._program = Program(network, self._background[:1])
            check_faithful(self._program, network, expected)
            self._first = first_convolutions(self._program)
            self._pair_floats = (
                chunk_mib * _MIB // (self._program.widest * background.element_size())
            )
            self._keep_bytes = keep_mib * _MIB
            outputs, self._kept = self._remember()
            mean = outputs.cpu().double().mean(0)  # there, since not every device has float64
            self.base_values = mean.to(background.dtype).to(self._device)

    def attribute(self, images: Tensor, outputs: Sequence[int] | Tensor | None = None) -> Tensor:
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
        unit = torch.eye(len(self.base_values), dtype=images.dtype, device=self._device)
        start = unit[chosen.to(self._device, non_blocking=True)]  # (n or 1, k, outputs)
        n_chosen = chosen.shape[1]
        values = images.new_empty(*images.shape, n_chosen)
        blocks = self._blocks(n_chosen)
        at_once = max(1, self._pair_limit(n_chosen) // len(self._background[blocks[0]]))
        with torch.no_grad(), self._workers() as run:
            for at in range(0, len(images), at_once):
                tile = self._program.run(images[at : at + at_once])
                rows = start if len(start) == 1 else start[at : at + at_once]
                share = functools.partial(self._attributed, rows, tile)
                total = functools.reduce(torch.add, run(share, blocks))
                values[at : at + at_once] = (total / len(self._background)).movedim(1, -1)
        return values

    @torch.no_grad()  # here and not only in the caller: it holds for a thread
    def _attributed(self, start: Tensor, images: Tile, block: slice) -> Tensor:
        """Go back through the network for all pairs with a block: (n, k, c, h, w), its sum."""
        background = self._recall(block)
        n, b, k = len(images), len(background), start.shape[1]
        start = start if len(start) == 1 else start.repeat_interleave(b, 0)
        waiting = {self._program.sink: Multiplier(start)}
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
        n_blocks = -(-len(self._background) // self._pair_limit(n_outputs))
        if self._device.type == "cpu":
            n_threads = torch.get_num_threads()
            n_blocks = min(-(-n_blocks // n_threads) * n_threads, len(self._background))
        sizes = [len(block) for block in self._background.tensor_split(n_blocks)]
        ends = list(itertools.accumulate(sizes))
        return [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]

    def _remember(self) -> tuple[Tensor, Tile | None]:
        """The outputs of the background, and its activations if there is room for them."""
        tiles: list[Tile] = []
        outputs = []
        for images in self._background.split(self._pair_limit(1)):
            tile = self._program.run(images)
            outputs.append(tile.outputs)
            if tile.n_bytes() * len(self._background) <= self._keep_bytes * len(images):
                tiles.append(tile)
        kept = joined(tiles) if len(tiles) == len(outputs) else None
        return torch.cat(outputs), kept

    def _pair_limit(self, n_outputs: int) -> int:
        """How many pairs one tile may hold."""
        return max(1, self._pair_floats // n_outputs)


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
