"""Attribute the network's outputs to pixels: `python -m stages.explain`."""

import importlib.metadata
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from stages.artifacts.explanation import AttributionSlice, ExplainedImages, save_explanation
from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import load_split
from stages.core.errors import UserError
from stages.core.sections import DeviceName, StageParams
from stages.core.stage import run_stage
from stages.explainers.base.contract import Attribute, Attributions, build_explainer
from stages.networks.checkpoint import Checkpoint, load_checkpoint
from stages.networks.device import choose_device, configure_process_for
from stages.networks.predict import predict, with_output
from stages.params.explain import Explain
from stages.sampling.background import MOST_GROUPS, choose_background, standard_error
from stages.sampling.choices import choose_images
from stages.sampling.outputs import choose_classes

SLICE_IMAGES = 8  # at most, for each step of the progress bar
SLICE_MIB = 128  # of attributions, those by group included; a single image may need more
ROUNDING = 2e-6  # share of Σ|attribution| that float32 may lose, over thousands of pixels


class Params(StageParams):
    """The parameters that this stage reads."""

    device: DeviceName
    explain: Explain


def main(params: Params) -> None:
    """Choose images, classes and a background, attribute, check, write."""
    options, device = params.explain, choose_device(params.device)
    configure_process_for(device)
    checkpoint, predictions = load_checkpoint(device), Predictions.load()
    network = with_output(checkpoint.network.requires_grad_(False), options.output)
    test, train = load_split("test"), load_split("train")
    indices = choose_images(options.images, options.n_images, options.seed, predictions)
    probabilities = predictions.probabilities[indices]
    classes = choose_classes(options.outputs, probabilities, predictions.class_names)
    drawn = choose_background(train.labels, options.n_background, options.background, options.seed)
    images = torch.from_numpy(test.images[indices]).to(device).float()
    background = torch.from_numpy(train.images[drawn]).to(device).float()
    explained = ExplainedImages(
        base_values=predict(network, background).cpu().double().mean(dim=0).numpy(),
        outputs=predict(network, images).cpu().double().numpy(),
        probabilities=probabilities,
        classes=classes,
        images=test.images[indices],
        labels=test.labels[indices],
        indices=indices,
        background=train.images[drawn],
        background_indices=drawn,
        about=describe(checkpoint, params),
    )
    attribute = build_explainer(options.method, network, background, options.seed)
    slices = additive_slices(attributions(attribute, images, classes), explained, options.tolerance)
    save_explanation(explained, with_errors(slices, explained, len(train.labels)))


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


def attributions(
    attribute: Attribute, images: Tensor, classes: NDArray[np.int64]
) -> Iterator[Attributions]:
    """Attributions of images (n, c, h, w) to their classes (n, m), a slice at a time."""
    _, channels, height, width = images.shape
    floats = (channels + MOST_GROUPS) * height * width * classes.shape[1]  # of an image
    size = int(np.clip(SLICE_MIB * 2**20 // (4 * floats), 1, SLICE_IMAGES))
    wanted = torch.from_numpy(classes)
    with tqdm(total=len(images), desc="explain", unit="image", disable=None) as progress:
        for some, their_classes in zip(images.split(size), wanted.split(size), strict=True):
            yield attribute(some, their_classes)
            progress.update(len(some))


def additive_slices(
    slices: Iterable[Attributions], explained: ExplainedImages, tolerance: float
) -> Iterator[Attributions]:
    """Yield slices unchanged; stop at the first that is not additive.

    An error is judged against the range of the outputs, and against Σ|attribution|: where pixels
    cancel, a sum in float32 cannot be exact to more than a share of its terms.

    Args:
        slices: Attributions of all images, in order.
        explained: The images and the network's outputs for them.
        tolerance: Largest error that passes, as a share of the range of the outputs. An error of
            at most `ROUNDING` of Σ|attribution| passes too, unless the tolerance is lower still.

    Raises:
        UserError: The attributions of an image do not sum to the change of its outputs.
    """
    done = 0
    for part in slices:
        rows = slice(done, done + len(part.values))
        _require_additive(part.values, explained, rows, tolerance)
        yield part
        done += len(part.values)


def _require_additive(
    values: NDArray[np.floating], explained: ExplainedImages, rows: slice, tolerance: float
) -> None:
    errors = np.abs(values.sum(axis=(1, 2, 3), dtype=np.float64) - explained.changes[rows])
    of_range = errors / explained.output_range
    of_total = errors / np.abs(values).sum(axis=(1, 2, 3), dtype=np.float64).clip(min=1e-300)
    excess = np.where(of_total <= min(ROUNDING, tolerance), 0, of_range)
    if excess.max() > tolerance or not np.isfinite(errors).all():
        image, place = np.unravel_index(excess.argmax(), excess.shape)
        method = explained.about["method"]
        raise UserError(
            f"explain: the attributions of test image {explained.indices[rows][image]} for "
            f"output {explained.classes[rows][image, place]} miss its change by "
            f"{of_range[image, place]:.2g} of the outputs' "
            f"range, more than explain.tolerance ({tolerance:g}), and by "
            f"{of_total[image, place]:.2g} of Σ|attribution|, more than rounding ({ROUNDING:g}). "
            f"If the network contains something that {method} does not handle, choose another "
            "explain.method; if the method only samples, raise explain.tolerance"
        )


def with_errors(
    slices: Iterable[Attributions], explained: ExplainedImages, n_train: int
) -> Iterator[AttributionSlice]:
    """Add the error bars that follow from the groups; say so once where there are none.

    Args:
        slices: Attributions of all images, in order.
        explained: The images.
        n_train: Size of the training split, from which the background was drawn.
    """
    n_background = len(explained.background)
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
