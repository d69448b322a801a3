"""Explain an image with the untrained network: `python -m stages.rehearse`.

What explain would refuse is refused here, before the first epoch and not after the last. It is no
stage of its own but the first command of train, and writes nothing.
"""

import torch

from stages.artifacts.splits import load_info, load_split
from stages.core.sections import DeviceName, StageParams
from stages.core.stage import run_stage
from stages.explainers.base.contract import build_explainer
from stages.networks.build import build_network
from stages.networks.device import choose_device, configure_process_for
from stages.networks.predict import with_output
from stages.params.explain import Method, Output
from stages.params.model import Model

N_BACKGROUND = 2


class HowToExplain(StageParams):
    """The part of section `explain` that decides whether a network can be explained."""

    method: Method
    output: Output


class Params(StageParams):
    """The parameters that this command reads."""

    device: DeviceName
    model: Model
    explain: HowToExplain


def main(params: Params) -> None:
    """Build the network, explain one output for one training image."""
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


if __name__ == "__main__":
    run_stage(main, Params)
