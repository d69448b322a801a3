"""Attribute the network's outputs to pixels: `python -m stages.explain`."""

import importlib.metadata
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.artifacts.explanation import AttributionSlice, ExplainedImages, save_explanation
from stages.artifacts.portable import PortableNetwork
from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import SplitName, load_names, load_split
from stages.core.memory import is_out_of_memory
from stages.core.sections import DeviceName, StageParams
from stages.core.stage import run_stage
from stages.deepshap import UnsupportedOperation, portable
from stages.explainers.base.contract import Attributions, build_explainer
from stages.explainers.base.slices import additive_slices, attributions
from stages.networks.build import place_in_file
from stages.networks.checkpoint import Checkpoint, load_checkpoint
from stages.networks.device import choose_device, configure_process_for
from stages.networks.predict import predict, with_output
from stages.params.explain import Explain
from stages.sampling.background import choose_background, standard_error
from stages.sampling.choices import choose_images
from stages.sampling.outputs import choose_classes

MOST_WEIGHTS = 1_500_000  # of a network that report can put in its page


class Params(StageParams):
    """The parameters that this stage reads."""

    device: DeviceName
    explain: Explain


def main(params: Params) -> None:
    """Choose images, classes and a background, attribute, check, write."""
    options, device = params.explain, choose_device(params.device)
    configure_process_for(device)
    checkpoint = load_checkpoint(device)
    network = with_output(checkpoint.network.requires_grad_(False), options.output)
    explained = choose(network, device, options, describe(checkpoint, params))
    images = torch.from_numpy(explained.images).to(device).float()
    background = torch.from_numpy(explained.background).to(device).float()
    written = portable_network(network, background[:1])
    attribute = build_explainer(options.method, network, background, options.seed)
    slices = attributions(attribute, images, explained.classes, "explain")
    additive = additive_slices(slices, explained, options.tolerance)
    save_explanation(explained, with_errors(additive, explained))
    written.save()


def choose(
    network: nn.Module, device: torch.device, options: Explain, about: dict[str, Any]
) -> ExplainedImages:
    """Choose images of the test split, their classes, and a background of the training split.

    Args:
        network: Gives the explained output.
        device: Of the network.
        options: What is asked for.
        about: As in `ExplainedImages`, but for the size of the training split.
    """
    predictions, test, train = Predictions.load(), load_split("test"), load_split("train")
    not_tested: tuple[SplitName, ...] = ("train", "validation")
    indices = choose_images(
        options.images,
        options.n_images,
        options.seed,
        predictions,
        {split: load_names(split) for split in not_tested},
    )
    probabilities = predictions.probabilities[indices]
    drawn = choose_background(train.labels, options.n_background, options.background, options.seed)

    def outputs(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        return predict(network, torch.from_numpy(images).to(device).float()).cpu().double().numpy()

    return ExplainedImages(
        base_values=outputs(train.images[drawn]).mean(axis=0),
        outputs=outputs(test.images[indices]),
        probabilities=probabilities,
        classes=choose_classes(options.outputs, probabilities, predictions.class_names),
        images=test.images[indices],
        labels=test.labels[indices],
        names=predictions.names[indices],
        indices=indices,
        background=train.images[drawn],
        background_indices=drawn,
        about={**about, "n_train": len(train.labels)},
    )


def describe(checkpoint: Checkpoint, params: Params) -> dict[str, Any]:
    """What was explained and how, as in `ExplainedImages.about`."""
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
        operations = portable(network, image)
    except UnsupportedOperation as error:
        if is_out_of_memory(error):
            raise
        return PortableNetwork(
            reason=f"this page cannot compute {error.operation}, "
            f"{place_in_file(network, error.place)}"
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
    """Add the error bars that follow from the groups; say so once where there are none.

    Args:
        slices: Attributions of all images, in order.
        explained: The images.
    """
    n_background, n_train = len(explained.background), explained.about["n_train"]
    places = explained.places(explained.predicted)
    done = 0
    for values, groups in slices:
        if groups is None:
            if done == 0:
                print(f"no error bars: {_why_none(explained)}")
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


def _why_none(explained: ExplainedImages) -> str:
    if len(explained.background) < 2:
        return "they need two background images or more (explain.n_background)"
    return f"explain.method {explained.about['method']} has no groups of the background"


if __name__ == "__main__":
    run_stage(main, Params)
