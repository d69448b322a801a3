"""Attribute the network's outputs to pixels: `python -m stages.explain`."""

import importlib.metadata
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from stages.artifacts.explanation import ExplainedImages, save_explanation
from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import load_split
from stages.core.errors import UserError
from stages.core.sections import DeviceName, StageParams
from stages.core.stage import run_stage
from stages.explainers.base.contract import Attribute, build_explainer
from stages.networks.checkpoint import Checkpoint, load_checkpoint
from stages.networks.device import choose_device, configure_process_for
from stages.networks.predict import predict
from stages.params.explain import Explain
from stages.sampling.background import choose_background
from stages.sampling.choices import choose_images

SLICE_SIZE = 8  # images for each step of the progress bar
ROUNDING = 2e-6  # share of Σ|attribution| that float32 may lose, over thousands of pixels


class Params(StageParams):
    """The parameters that this stage reads."""

    device: DeviceName
    explain: Explain


def main(params: Params) -> None:
    """Choose images and a background, attribute, check, write."""
    options, device = params.explain, choose_device(params.device)
    configure_process_for(device)
    checkpoint, predictions = load_checkpoint(device), Predictions.load()
    network = checkpoint.network.requires_grad_(False)
    if options.output == "probabilities":
        network = nn.Sequential(network, nn.Softmax(dim=1)).eval()
    test, train = load_split("test"), load_split("train")
    indices = choose_images(options.images, options.n_images, options.seed, predictions)
    background_indices = choose_background(
        train.labels, options.n_background, options.background, options.seed
    )
    images = torch.from_numpy(test.images[indices]).to(device).float()
    background = torch.from_numpy(train.images[background_indices]).to(device).float()
    attribute = build_explainer(options.method, network, background, options.seed)
    explained = ExplainedImages(
        base_values=predict(network, background).cpu().double().mean(dim=0).numpy(),
        outputs=predict(network, images).cpu().double().numpy(),
        probabilities=predictions.probabilities[indices],
        images=test.images[indices],
        labels=test.labels[indices],
        indices=indices,
        about=describe(checkpoint, params),
    )
    slices = attributions(attribute, images)
    save_explanation(explained, additive_slices(slices, explained, options.tolerance))


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


def attributions(attribute: Attribute, images: Tensor) -> Iterator[NDArray[np.floating]]:
    """Attributions of images (n, c, h, w), a slice at a time, with a progress bar."""
    with tqdm(total=len(images), desc="explain", unit="image", disable=None) as progress:
        for part in images.split(SLICE_SIZE):
            yield attribute(part)
            progress.update(len(part))


def additive_slices(
    slices: Iterable[NDArray[np.floating]], explained: ExplainedImages, tolerance: float
) -> Iterator[NDArray[np.floating]]:
    """Yield slices unchanged; stop at the first that is not additive.

    An error is judged against the range of the outputs, and against Σ|attribution|: where pixels
    cancel, a sum in float32 cannot be exact to more than a share of its terms.

    Args:
        slices: Attributions (some, c, h, w, k), in the order of the images.
        explained: The images and the network's outputs for them.
        tolerance: Largest error that passes, as a share of the range of the outputs. An error of
            at most `ROUNDING` of Σ|attribution| passes too, unless the tolerance is lower still.

    Raises:
        UserError: The attributions of an image do not sum to the change of its outputs.
    """
    n_outputs = explained.outputs.shape[1]
    done = 0
    for values in slices:
        rows = slice(done, done + len(values))
        expected = (*explained.images[rows].shape, n_outputs)
        if values.shape != expected:
            method = explained.about["method"]
            raise UserError(
                f"explain.method {method}: returned attributions of shape {values.shape}, "
                f"expected {expected}: images, channels, height, width, outputs; fix "
                f"stages/explainers/{method}.py"
            )
        _require_additive(values, explained, rows, tolerance)
        yield values
        done += len(values)


def _require_additive(
    values: NDArray[np.floating], explained: ExplainedImages, rows: slice, tolerance: float
) -> None:
    change = explained.outputs[rows] - explained.base_values
    errors = np.abs(values.sum(axis=(1, 2, 3), dtype=np.float64) - change)
    of_range = errors / explained.output_range
    of_total = errors / np.abs(values).sum(axis=(1, 2, 3), dtype=np.float64).clip(min=1e-300)
    excess = np.where(of_total <= min(ROUNDING, tolerance), 0, of_range)
    if excess.max() > tolerance or not np.isfinite(errors).all():
        image, output = np.unravel_index(excess.argmax(), excess.shape)
        method = explained.about["method"]
        raise UserError(
            f"explain: the attributions of test image {explained.indices[rows][image]} for "
            f"output {output} miss its change by {of_range[image, output]:.2g} of the outputs' "
            f"range, more than explain.tolerance ({tolerance:g}), and by "
            f"{of_total[image, output]:.2g} of Σ|attribution|, more than rounding ({ROUNDING:g}). "
            f"If the network contains something that {method} does not handle, choose another "
            "explain.method; if the method only samples, raise explain.tolerance"
        )


if __name__ == "__main__":
    run_stage(main, Params)
