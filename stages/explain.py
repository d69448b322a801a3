"""Attribute the network's outputs to pixels: `python -m stages.explain`."""

import torch

from stages.artifacts.explanation import Explanation, Setup, save_explanation
from stages.attribution.description import describe
from stages.attribution.portable import portable_network
from stages.attribution.task import Task
from stages.base.params.sections import DeviceName, StageParams
from stages.base.run.progress import progress_folder
from stages.base.run.rank import rank
from stages.base.run.stage import run_stage
from stages.networks.checkpoint import load_checkpoint
from stages.networks.device import choose_device, configure_process_for
from stages.networks.predict import with_output
from stages.params.explain import Explain
from stages.ranks import launch
from stages.ranks.shards import shards_of
from stages.sampling.outputs import report_one_logit

NEEDS_LESS = (
    "fewer images or background images (explain.n_images, explain.n_background), or fewer "
    "outputs of each (explain.outputs)"
)


class Params(StageParams):
    """The parameters that this stage reads."""

    device: DeviceName
    explain: Explain


def main(params: Params) -> None:
    """Choose images, classes and a background; attribute, check and write shard by shard."""
    options, device = params.explain, choose_device(params.device)
    configure_process_for(device)
    checkpoint = load_checkpoint(device)
    network = with_output(
        checkpoint.network.requires_grad_(False), options.output, checkpoint.info.multiple
    )
    about = describe(checkpoint, options, params.model_dump())
    task = Task.prepare(network, device, options, about)
    indices = task.chosen_images()
    first = torch.from_numpy(task.setup.background[:1]).to(device).float()
    portable = portable_network(network, first)
    shards = shards_of(len(indices), progress_folder("explain", params))
    task.explain(shards, indices)
    if rank() == 0:
        if task.setup.one_logit:
            report_one_logit(options.outputs, task.setup.class_names)
        if save_explanation(task.setup, [shard.folder for shard in shards]) == 0:
            print(f"no error bars: {_reason_without_error_bars(task.setup)}")
        portable.save()
        if Explanation.load().nothing_to_explain:
            print("explain: the network gives every image the same output: nothing to explain")


def _reason_without_error_bars(setup: Setup) -> str:
    if len(setup.background) < 2:
        return "they need at least two background images (explain.n_background)"
    return f"explain.method {setup.about['method']} has no groups of background images"


if __name__ == "__main__":
    run_stage(main, Params, NEEDS_LESS, launch)
