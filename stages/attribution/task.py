"""Explains the chosen images, a shard at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stages.artifacts.explanation import AttributionSlice, ExplainedImages, Setup, save_shard
from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import SplitName, load_names, load_split
from stages.attribution.error_bars import with_errors
from stages.base.run.bars import ProgressBar
from stages.base.run.stage import require_true_record
from stages.explainers.base.contract import Attribute, build_explainer
from stages.explainers.base.slices import SLICE_IMAGES, additive_slices, attributions
from stages.networks.predict import predict
from stages.params.explain import Explain
from stages.ranks.shards import Shard, n_finished, new_shard, unfinished, until_finished
from stages.sampling.background import choose_background
from stages.sampling.choices import choose_images
from stages.sampling.outputs import choose_classes


@dataclass(frozen=True, kw_only=True)
class Task:
    """Everything needed to explain a chosen image.

    Attributes:
        network: Maps images to the explained output.
        device: Device of the network.
        attribute: The attribution method.
        setup: Data that all images share.
        predictions: Predictions for the test split.
        options: Section `explain` of `params.yaml`.
    """

    network: nn.Module
    device: torch.device
    attribute: Attribute
    setup: Setup
    predictions: Predictions
    options: Explain

    @classmethod
    def prepare(
        cls,
        network: nn.Module,
        device: torch.device,
        options: Explain,
        about: Mapping[str, Any],
    ) -> "Task":
        """Draw the background and prepare the method.

        Args:
            network: Maps images to the explained output; on `device`.
            device: Device of the network.
            options: Section `explain` of `params.yaml`.
            about: As in `Setup`, without `n_train`.
        """
        train = load_split("train")
        drawn = choose_background(
            train.labels, options.n_background, options.background, options.seed
        )
        images = train.images[drawn]
        background = torch.from_numpy(images).to(device).float()
        outputs = predict(network, background)
        setup = Setup(
            base_values=outputs.cpu().double().numpy().mean(axis=0),
            background=images,
            background_indices=drawn,
            about={**about, "n_train": len(train.labels)},
        )
        attribute = build_explainer(options.method, network, background, options.seed)
        return cls(
            network=network,
            device=device,
            attribute=attribute,
            setup=setup,
            predictions=Predictions.load(),
            options=options,
        )

    def chosen_images(self) -> NDArray[np.int64]:
        """Positions in the test split of the images to explain (n,), int64."""
        other_splits: tuple[SplitName, ...] = ("train", "validation")
        options = self.options
        return choose_images(
            options.images,
            options.n_images,
            options.seed,
            self.predictions,
            {split: load_names(split) for split in other_splits},
        )

    def explain(self, shards: list[Shard], indices: NDArray[np.int64]) -> None:
        """Explain the images of all unfinished shards, together with other ranks if there are any.

        Args:
            shards: All shards.
            indices: Positions in the test split of the images of all shards (n,).
        """
        classes = self._classes(indices)
        print(
            f"explain: {len(indices):,} images × {classes.shape[1]} maps, "
            f"{len(self.setup.background):,} background images"
        )
        if done := n_finished(shards):
            print(f"explain: resuming, {done:,} of {len(indices):,} images are finished")
        with ProgressBar[None](
            desc="explain", unit="image", total=len(indices), initial=done
        ) as progress:
            for shard in unfinished(shards):
                progress.show(n_finished(shards))  # includes other ranks' shards
                explained = self._explained_images(indices[shard.rows], classes[shard.rows])
                with new_shard(shard) as folder:
                    slices = until_finished(shard, self._slices(explained, progress))
                    save_shard(explained, slices, folder)
                    require_true_record()

    def _classes(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The class of each map (n, m) of the images at these positions in the test split."""
        predictions, setup = self.predictions, self.setup
        return choose_classes(
            self.options.outputs,
            predictions.probabilities[indices],
            predictions.class_names,
            one_logit=setup.one_logit,
            multiple=setup.multiple,
        )

    def _explained_images(
        self, indices: NDArray[np.int64], classes: NDArray[np.int64]
    ) -> ExplainedImages:
        """The images at these positions in the test split, with the network's outputs."""
        test, predictions = load_split("test"), self.predictions
        images = test.images[indices]
        on_device = torch.from_numpy(images).to(self.device).float()
        outputs = predict(self.network, on_device, SLICE_IMAGES)
        return ExplainedImages(
            **vars(self.setup),
            outputs=outputs.cpu().double().numpy(),
            probabilities=predictions.probabilities[indices],
            classes=classes,
            images=images,
            labels=test.labels[indices],
            names=predictions.names[indices],
            indices=indices,
        )

    def _slices(
        self, explained: ExplainedImages, progress: ProgressBar[None]
    ) -> Iterator[AttributionSlice]:
        """Additive attributions with error bars, slice by slice."""
        images = torch.from_numpy(explained.images)
        found = attributions(self.attribute, images, explained.classes, progress)
        return with_errors(additive_slices(found, explained, self.options.tolerance), explained)
