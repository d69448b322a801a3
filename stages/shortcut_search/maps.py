"""Attributes the predicted class of many images to blocks of pixels, shard by shard."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from stages.artifacts.explanation import POSITIVE, ExplainedImages
from stages.artifacts.splits import Names, Split, SplitName, load_names, load_split
from stages.base.files.arrays import load_npy
from stages.base.run.bars import ProgressBar
from stages.base.run.stage import require_true_record
from stages.explainers.base.contract import Attribute, build_explainer
from stages.explainers.base.slices import SLICE_IMAGES, additive_slices, attributions
from stages.networks.build import Classifier
from stages.networks.predict import predict
from stages.params.shortcuts import HowToExplain
from stages.ranks.shards import Shard, n_finished, new_shard, unfinished, until_finished
from stages.sampling.background import choose_background
from stages.shortcut_search.rule import Grid


class Chosen(NamedTuple):
    """Images that are searched.

    Attributes:
        name: Name of their split.
        split: All images of it; they may be larger than memory.
        names: Names of all images of the split.
        indices: Positions of the searched images in the split (n,), ascending.
    """

    name: SplitName
    split: Split
    names: Names
    indices: NDArray[np.int64]


class BlockMaps(NamedTuple):
    """Block sums of the attributions to the predicted class (n, gh, gw), and the logits (n, k)."""

    maps: NDArray[np.float32]
    logits: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Explaining:
    """What is needed to explain an image.

    Attributes:
        network: Maps images to logits.
        device: Where the network is.
        attribute: The attribution method, for logits.
        method: Name of the method.
        background: Background images (b, c, h, w), uint8.
        background_indices: Their positions in the training split (b,).
        tolerance: `explain.tolerance`.
    """

    network: Classifier
    device: torch.device
    attribute: Attribute
    method: str
    background: NDArray[np.uint8]
    background_indices: NDArray[np.int64]
    tolerance: float

    def explain(self, shards: list[Shard], chosen: Chosen) -> None:
        """Explain the images of all unfinished shards, with other ranks if there are any."""
        n_images, n_background = len(chosen.indices), len(self.background)
        print(f"shortcuts: {n_images:,} images × 1 map, {n_background:,} background images")
        if done := n_finished(shards):
            print(f"shortcuts: resuming, {done:,} of {n_images:,} images are explained")
        on_device = torch.from_numpy(self.background).to(self.device).float()
        base_values = predict(self.network, on_device).cpu().double().numpy().mean(axis=0)
        with ProgressBar[None](
            desc="shortcuts: explain", unit="image", total=n_images, initial=done
        ) as progress:
            for shard in unfinished(shards):
                progress.show(n_finished(shards))  # includes other ranks' shards
                explained = self._explained_images(chosen, shard.rows, base_values)
                with new_shard(shard) as folder:
                    self._save(explained, shard, folder, progress)
                    require_true_record()

    def _explained_images(
        self, chosen: Chosen, rows: slice, base_values: NDArray[np.float64]
    ) -> ExplainedImages:
        indices = chosen.indices[rows]
        images = chosen.split.images[indices]
        on_device = torch.from_numpy(images).to(self.device).float()
        logits = predict(self.network, on_device, SLICE_IMAGES).cpu().double()
        predicted = np.asarray(logits.argmax(1).numpy(), np.int64)
        one_logit = self.network.one_logit
        return ExplainedImages(
            base_values=base_values,
            background=self.background,
            background_indices=self.background_indices,
            about={"method": self.method, "parameters": {}, "one_logit": one_logit},
            outputs=logits.numpy(),
            probabilities=logits.softmax(1).float().numpy(),
            classes=np.full_like(predicted, POSITIVE)[:, None] if one_logit else predicted[:, None],
            images=images,
            labels=chosen.split.labels[indices],
            names=chosen.names[indices],
            indices=indices,
        )

    def _save(
        self,
        explained: ExplainedImages,
        shard: Shard,
        folder: Path,
        progress: ProgressBar[None],
    ) -> None:
        """Write a shard: only sums over blocks are kept, so memory and disk stay small."""
        height, width = explained.images.shape[2:]
        grid = Grid.of((height, width))
        found = attributions(
            self.attribute, torch.from_numpy(explained.images), explained.classes, progress
        )
        slices = until_finished(shard, additive_slices(found, explained, self.tolerance))
        maps = np.concatenate([grid.sums(part.values[..., 0].sum(axis=1)) for part in slices])
        if self.network.one_logit:  # what lowers its logit is evidence for the other class
            maps[explained.predicted != POSITIVE] *= -1
        np.save(folder / "maps.npy", maps.astype(np.float32))
        np.save(folder / "logits.npy", explained.outputs)


def load_maps(shards: list[Shard]) -> BlockMaps:
    """The maps and logits of all shards, which are finished."""
    parts = [
        [load_npy(shard.folder / f"{name}.npy") for shard in shards] for name in BlockMaps._fields
    ]
    return BlockMaps(*map(np.concatenate, parts))


def choose_images(name: SplitName, n_images: int, seed: int) -> Chosen:
    """Draw at most so many images from a split."""
    split = load_split(name)
    drawn = np.random.default_rng(seed).permutation(len(split.labels))[:n_images]
    return Chosen(name, split, load_names(name), np.sort(drawn).astype(np.int64))


def prepare(network: Classifier, device: torch.device, options: HowToExplain) -> Explaining:
    """Draw the background, as explain does, and prepare the method.

    Args:
        network: Maps images to logits; on `device`.
        device: Where the network is.
        options: Keys of section `explain`.
    """
    train = load_split("train")
    drawn = choose_background(train.labels, options.n_background, options.background, options.seed)
    background = train.images[drawn]
    on_device = torch.from_numpy(background).to(device).float()
    return Explaining(
        network=network,
        device=device,
        attribute=build_explainer(options.method, network, on_device, options.seed),
        method=options.method,
        background=background,
        background_indices=drawn,
        tolerance=options.tolerance,
    )
