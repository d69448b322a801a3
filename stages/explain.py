"""Attribute the network's outputs to pixels: `python -m stages.explain`."""

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from stages.params.explain import Explain
from stages.pipeline.device import choose_device
from stages.pipeline.errors import UserError
from stages.pipeline.explainer import Attribute, prepare
from stages.pipeline.explanation import output_range, save_explanation
from stages.pipeline.files import new_folder
from stages.pipeline.network import load_network, predict
from stages.pipeline.params import DeviceName, StageParams
from stages.pipeline.selection import choose_background, choose_images
from stages.pipeline.splits import Facts, load_split
from stages.pipeline.stage import run_stage

SLICE = 8  # images between two steps of the progress bar


class Params(StageParams):
    """What this stage reads."""

    device: DeviceName
    explain: Explain


def main(params: Params) -> None:
    """Choose images and background, attribute, write."""
    options, device = params.explain, choose_device(params.device)
    network, facts = load_network(Path("data/model"), device)
    if options.output == "probabilities":
        network = nn.Sequential(network, nn.Softmax(dim=1)).eval()
    test, train = (load_split(Path("data/prepared"), name) for name in ("test", "train"))
    probabilities = np.load("data/predictions/probabilities.npy")
    indices = choose_images(options, probabilities, test.labels)
    drawn = choose_background(options, train.labels)
    images = torch.from_numpy(test.images[indices]).to(device).float()
    background = torch.from_numpy(train.images[drawn]).to(device).float()
    network.requires_grad_(False)
    attribute = prepare(options.method, network, background, options.seed)
    beside = {
        "base_values": predict(network, background).cpu().double().mean(dim=0).numpy(),
        "outputs": predict(network, images).cpu().double().numpy(),
        "probabilities": probabilities[indices],
        "images": test.images[indices],
        "labels": test.labels[indices],
        "indices": indices,
    }
    values = checked(attributions(attribute, images), beside, options)
    with new_folder(Path("data/shap")) as folder:
        save_explanation(folder, values, beside, describe(facts, options))


def describe(facts: Facts, options: Explain) -> dict[str, Any]:
    """Say what was explained and how, as in `Explanation.about`."""
    return {
        "class_names": facts.class_names,
        "dataset": facts.dataset,
        **options.model_dump(include={"method", "output", "n_background", "background"}),
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "shap", "numpy")},
    }


def attributions(attribute: Attribute, images: Tensor) -> Iterator[NDArray[np.floating]]:
    """Explain images (n, c, h, w) a slice at a time, with a progress bar."""
    with tqdm(total=len(images), desc="explain", unit="image", disable=None) as progress:
        for part in images.split(SLICE):
            yield attribute(part)
            progress.update(len(part))


def checked(
    slices: Iterator[NDArray[np.floating]],
    beside: dict[str, NDArray[np.floating]],
    options: Explain,
) -> Iterator[NDArray[np.floating]]:
    """Pass slices of attributions on, as long as they are additive.

    Args:
        slices: (some, c, h, w, k), in the order of the images.
        beside: `images` (n, c, h, w), `outputs` (n, k), `base_values` (k,), `indices` (n,).
        options: `tolerance` is the largest error that passes, as a share of the outputs' range.

    Raises:
        UserError: The attributions of an image do not sum up to what its output differs by.
    """
    outputs, base_values = beside["outputs"], beside["base_values"]
    scale = output_range(outputs, base_values)
    done = 0
    for values in slices:
        now = slice(done, done + len(values))
        expected = (*beside["images"][now].shape, outputs.shape[1])
        if values.shape != expected:
            raise UserError(
                f"explain.method {options.method}: gives attributions of shape {values.shape}, "
                f"expected {expected}: images, channels, height, width, outputs"
            )
        sums = values.sum(axis=(1, 2, 3), dtype=np.float64)
        errors = np.abs(sums - (outputs[now] - base_values)) / scale
        if errors.max() > options.tolerance or not np.isfinite(errors).all():
            image, output = np.unravel_index(errors.argmax(), errors.shape)
            raise UserError(
                f"explain: attributions of test image {beside['indices'][now][image]}, output "
                f"{output}, miss its change by {errors.max():.2g} of the outputs' range, more "
                f"than explain.tolerance ({options.tolerance:g}). The network holds something that "
                f"{options.method} does not handle: choose another explain.method; or the method "
                "only samples: raise explain.tolerance"
            )
        yield values
        done += len(values)


if __name__ == "__main__":
    run_stage(main, Params)
