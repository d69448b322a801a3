"""Attribute the network's outputs to pixels: `python -m stages.explain`."""

import importlib.metadata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from deepshap import UnsupportedOperation, portable_operations
from stages.artifacts.explanation import (
    AttributionSlice,
    ExplainedImages,
    Setup,
    save_explanation,
    save_shard,
)
from stages.artifacts.portable import PortableNetwork
from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import SplitName, load_names, load_split
from stages.base.errors.memory import is_out_of_memory
from stages.base.params.sections import DeviceName, StageParams
from stages.base.run.progress import progress_folder
from stages.base.run.rank import rank
from stages.base.run.stage import require_true_record, run_stage
from stages.explainers.base.contract import Attribute, Attributions, build_explainer
from stages.explainers.base.slices import SLICE_IMAGES, additive_slices, attributions, progress_bar
from stages.networks.build import place_in_file
from stages.networks.checkpoint import Checkpoint, load_checkpoint
from stages.networks.device import choose_device, configure_process_for
from stages.networks.predict import predict, with_output
from stages.params.explain import Explain
from stages.ranks import launch
from stages.ranks.shards import (
    Shard,
    n_finished,
    new_shard,
    shards_of,
    unfinished,
    until_finished,
)
from stages.sampling.background import choose_background, standard_error
from stages.sampling.choices import choose_images
from stages.sampling.outputs import choose_classes

MOST_WEIGHTS = 1_500_000  # of a network that report can put in its page

NEEDS_LESS = (
    "fewer images or background images (explain.n_images, explain.n_background), or fewer "
    "outputs of each (explain.outputs)"
)


class Params(StageParams):
    """The parameters that this stage reads."""

    device: DeviceName
    explain: Explain


@dataclass(frozen=True, kw_only=True)
class Task:
    """What it takes to explain any of the chosen images.

    Attributes:
        network: Gives the explained output.
        device: Of the network.
        attribute: The method.
        setup: What all images share.
        predictions: For the test split.
        options: What is asked for.
    """

    network: nn.Module
    device: torch.device
    attribute: Attribute
    setup: Setup
    predictions: Predictions
    options: Explain

    def explained(self, indices: NDArray[np.int64]) -> ExplainedImages:
        """Images at some positions in the test split, and the network's outputs for them."""
        test, predictions = load_split("test"), self.predictions
        images = test.images[indices]
        on_device = torch.from_numpy(images).to(self.device).float()
        probabilities = predictions.probabilities[indices]
        wanted, names = self.options.outputs, predictions.class_names
        return ExplainedImages(
            **vars(self.setup),
            outputs=predict(self.network, on_device, SLICE_IMAGES).cpu().double().numpy(),
            probabilities=probabilities,
            classes=choose_classes(wanted, probabilities, names),
            images=images,
            labels=test.labels[indices],
            names=predictions.names[indices],
            indices=indices,
        )

    def slices(
        self, explained: ExplainedImages, progress: "tqdm[NoReturn]"
    ) -> Iterator[AttributionSlice]:
        """Their attributions, which add up, with error bars."""
        images = torch.from_numpy(explained.images)
        found = attributions(self.attribute, images, explained.classes, progress)
        return with_errors(additive_slices(found, explained, self.options.tolerance), explained)


def main(params: Params) -> None:
    """Choose images, classes and a background; attribute, check and write, a shard at a time."""
    options, device = params.explain, choose_device(params.device)
    configure_process_for(device)
    checkpoint, predictions = load_checkpoint(device), Predictions.load()
    network = with_output(checkpoint.network.requires_grad_(False), options.output)
    indices = chosen_images(options, predictions)
    setup = setup_of(network, device, options, describe(checkpoint, params))
    background = torch.from_numpy(setup.background).to(device).float()
    written = portable_network(network, background[:1])
    task = Task(
        network=network,
        device=device,
        attribute=build_explainer(options.method, network, background, options.seed),
        setup=setup,
        predictions=predictions,
        options=options,
    )
    shards = shards_of(len(indices), progress_folder("explain", params))
    explain_shards(task, shards, indices)
    if rank() == 0:
        if save_explanation(setup, [shard.folder for shard in shards]) == 0:
            print(f"no error bars: {_why_none(setup)}")
        written.save()


def explain_shards(task: Task, shards: list[Shard], indices: NDArray[np.int64]) -> None:
    """Explain the images of all shards that are not finished, with other processes if there are.

    Args:
        task: What it takes.
        shards: All of them.
        indices: Positions of their images in the test split (n,).
    """
    if done := n_finished(shards):
        print(f"explain: going on after {done:,} of {len(indices):,} images, finished before")
    with progress_bar("explain", len(indices)) as progress:
        for shard in unfinished(shards):
            progress.n = n_finished(shards)  # by other processes too
            explained = task.explained(indices[shard.rows])
            with new_shard(shard) as folder:
                slices = until_finished(shard, task.slices(explained, progress))
                save_shard(explained, slices, folder)
                require_true_record()


def chosen_images(options: Explain, predictions: Predictions) -> NDArray[np.int64]:
    """Positions of the images to explain in the test split (n,)."""
    not_tested: tuple[SplitName, ...] = ("train", "validation")
    return choose_images(
        options.images,
        options.n_images,
        options.seed,
        predictions,
        {split: load_names(split) for split in not_tested},
    )


def setup_of(
    network: nn.Module, device: torch.device, options: Explain, about: dict[str, Any]
) -> Setup:
    """Draw a background from the training split, and what all images share.

    Args:
        network: Gives the explained output.
        device: Of the network.
        options: What is asked for.
        about: As in `Setup`, but for the size of the training split.
    """
    train = load_split("train")
    drawn = choose_background(train.labels, options.n_background, options.background, options.seed)
    background = train.images[drawn]
    outputs = predict(network, torch.from_numpy(background).to(device).float())
    return Setup(
        base_values=outputs.cpu().double().numpy().mean(axis=0),
        background=background,
        background_indices=drawn,
        about={**about, "n_train": len(train.labels)},
    )


def describe(checkpoint: Checkpoint, params: Params) -> dict[str, Any]:
    """What was explained and how, as in `Setup.about`."""
    options = params.explain
    return {
        "class_names": checkpoint.info.class_names,
        "dataset": checkpoint.info.name,
        "network": checkpoint.architecture,
        **options.model_dump(include={"method", "output", "n_background", "background"}),
        "parameters": {**checkpoint.parameters, **params.model_dump()},
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "shap", "numpy")},
    }


def portable_network(network: nn.Module, image: Tensor) -> PortableNetwork:
    """The network for programs without PyTorch, or the reason why not.

    Args:
        network: Gives the explained output.
        image: Any one (1, c, h, w).
    """
    n_weights = sum(weights.numel() for weights in network.parameters())
    if n_weights > MOST_WEIGHTS:
        return PortableNetwork(
            reason=f"it has {n_weights:,} weights, and this page has room for {MOST_WEIGHTS:,}"
        )
    try:
        operations = portable_operations(network, image)
    except UnsupportedOperation as error:
        if is_out_of_memory(error):
            raise
        return PortableNetwork(
            reason=f"this page cannot compute {error.operation}, "
            f"{place_in_file(network, error.module_path)}"
        )
    arrays, described = {}, []
    for place, operation in enumerate(operations, 1):
        names = {role: f"{place}_{role}" for role in operation.arrays}
        arrays.update({names[role]: array.numpy() for role, array in operation.arrays.items()})
        described.append({**vars(operation), "arrays": names})
    return PortableNetwork(described, arrays)


def with_errors(
    slices: Iterable[Attributions], explained: ExplainedImages
) -> Iterator[AttributionSlice]:
    """Add the error bars that follow from the groups, where there are any.

    Args:
        slices: Attributions of the images, in order.
        explained: The images.
    """
    n_background, n_train = len(explained.background), explained.about["n_train"]
    places = explained.map_indices(explained.predicted)
    done = 0
    for values, groups in slices:
        if groups is None:
            yield AttributionSlice(values)
        else:
            of_predicted = places[done : done + len(values), None, None, None, None]
            means = np.take_along_axis(groups, of_predicted.clip(min=0), axis=4)
            yield AttributionSlice(
                values,
                standard_error(groups, n_background, n_train),
                np.where(of_predicted < 0, np.nan, means)[..., 0],
            )
        done += len(values)


def _why_none(setup: Setup) -> str:
    if len(setup.background) < 2:
        return "they need two background images or more (explain.n_background)"
    return f"explain.method {setup.about['method']} has no groups of the background"


if __name__ == "__main__":
    run_stage(main, Params, NEEDS_LESS, launch)
