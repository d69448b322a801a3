"""Explain images with the initial network: `python -m stages.preflight`.

What later stages would reject is rejected before training: weights that do not fit, networks that
cannot be explained, images and classes that do not exist. The marker always has the same bytes, so
another engine, method or choice of images reruns this stage but not training.
"""

from pathlib import Path

import numpy as np
import torch

from stages.artifacts.splits import SplitName, load_info, load_names, load_split
from stages.base.files.atomic import new_file
from stages.base.params.sections import DeviceName, StageParams
from stages.base.run.stage import run_stage
from stages.explainers.base.contract import build_explainer
from stages.networks.build import require_logits, require_reusable
from stages.networks.device import choose_device, configure_process_for
from stages.networks.predict import with_output
from stages.params.explain import Background, Images, Method, Output, Outputs
from stages.params.model import Model
from stages.sampling.background import require_background
from stages.sampling.choices import find_images, report_unrepresented
from stages.sampling.outputs import choose_classes
from stages.training.initial.network import initial_network

MARKER = Path("data/preflight")
N_BACKGROUND, N_IMAGES = 2, 3
OTHERS: tuple[SplitName, ...] = ("train", "validation")


class WhatToExplain(StageParams):
    """The keys of section `explain` that have limits before a network is trained."""

    method: Method
    output: Output
    outputs: Outputs
    n_background: Background
    images: Images


NEEDS_LESS = "smaller images (preprocess.image_size), or a smaller network (section model)"


class Params(StageParams):
    """The parameters that this stage reads."""

    device: DeviceName
    model: Model
    explain: WhatToExplain


def main(params: Params) -> None:
    """Check what is to be explained, build the network, explain images, write the marker."""
    device, explain = choose_device(params.device), params.explain
    configure_process_for(device)
    torch.manual_seed(0)
    info, train = load_info(), load_split("train")
    names = info.class_names
    require_background(explain.n_background, len(train.labels))
    find_images(explain.images, load_names("test"), {name: load_names(name) for name in OTHERS})
    report_unrepresented(explain.images, load_split("test").labels, names)
    choose_classes(explain.outputs, np.zeros((1, len(names))), names, multiple=info.multiple)
    network = initial_network(params.model, info).to(device).eval()
    images = torch.tensor(train.images[: N_BACKGROUND + N_IMAGES], device=device).float()
    require_logits(network, images)
    explained = with_output(network.requires_grad_(False), explain.output, info.multiple)
    attribute = build_explainer(explain.method, explained, images[:N_BACKGROUND], seed=0)
    require_reusable(network, images)
    last = len(names) - 1  # not the first, which is constant in a network with one logit
    for n_images in (1, len(images)):  # as explain will: after building, more than once
        attribute(images[-n_images:], torch.full((n_images, 1), last))
    with new_file(MARKER) as file:
        file.write_text("the network can be explained\n", encoding="utf-8")


if __name__ == "__main__":
    run_stage(main, Params, NEEDS_LESS)
