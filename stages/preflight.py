"""Explain an image with the untrained network: `python -m stages.preflight`.

Networks that cannot be explained are rejected here, before training. The marker that this stage
writes always has the same bytes, so another engine or method reruns this stage but not training.
"""

from pathlib import Path

import torch

from stages.artifacts.splits import load_info, load_split
from stages.base.files.atomic import new_file
from stages.base.params.sections import DeviceName, StageParams
from stages.base.run.stage import run_stage
from stages.explainers.base.contract import build_explainer
from stages.networks.build import build_network
from stages.networks.device import choose_device, configure_process_for
from stages.networks.predict import with_output
from stages.params.explain import Method, Output
from stages.params.model import Model

MARKER = Path("data/preflight")
N_BACKGROUND = 2


class HowToExplain(StageParams):
    """The keys of section `explain` that decide whether a network can be explained."""

    method: Method
    output: Output


NEEDS_LESS = (
    "smaller images (preprocess.image_size) or a smaller network (model.architecture, "
    "model.options)"
)


class Params(StageParams):
    """The parameters that this stage reads."""

    device: DeviceName
    model: Model
    explain: HowToExplain


def main(params: Params) -> None:
    """Build the network, explain one output of one training image, write the marker."""
    device = choose_device(params.device)
    configure_process_for(device)
    torch.manual_seed(0)
    model, explain = params.model, params.explain
    network = build_network(model.architecture, load_info(), model.options)
    network = network.to(device).eval().requires_grad_(False)
    pixels = load_split("train").images[: N_BACKGROUND + 1]
    images = torch.tensor(pixels, device=device).float()
    background, image = images[:-1], images[-1:]
    attribute = build_explainer(
        explain.method, with_output(network, explain.output), background, seed=0
    )
    attribute(image, torch.zeros(1, 1, dtype=torch.int64))
    with new_file(MARKER) as file:
        file.write_text("the network can be explained\n", encoding="utf-8")


if __name__ == "__main__":
    run_stage(main, Params, NEEDS_LESS)
