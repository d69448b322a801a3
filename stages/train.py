"""Train the network and save its weights: `python -m stages.train`."""

import torch

from stages.artifacts.splits import load_info, load_split
from stages.base.params.sections import DeviceName, Seed, StageParams
from stages.base.run.progress import progress_folder
from stages.base.run.rank import rank
from stages.base.run.stage import run_stage
from stages.networks.checkpoint import Checkpoint, save_checkpoint
from stages.networks.device import choose_device, configure_process_for
from stages.params.model import Model
from stages.params.train import TrainOrWeights
from stages.ranks import launch
from stages.ranks.gradients import connected_ranks
from stages.training.failures import failures_in_training
from stages.training.fitting import Training, to_device
from stages.training.freezing import find_head, require_trainable
from stages.training.initial.network import initial_network
from stages.training.learning import learn, write_empty_curves
from stages.training.outcome import report_few_steps, report_outcome
from stages.training.precision import with_chosen_precision

NEEDS_LESS = (
    "a smaller train.batch_size, or fewer or smaller images (preprocess.limit, "
    "preprocess.image_size)"
)


class Params(StageParams):
    """The parameters that this stage reads."""

    device: DeviceName
    seed: Seed
    model: Model
    train: TrainOrWeights


def main(params: Params) -> None:
    """Build the network, train it, save it; with several ranks, the first one writes."""
    device = choose_device(params.device)
    configure_process_for(device)
    info = load_info()
    train, validation = (to_device(load_split(name), device) for name in ("train", "validation"))
    model, options = params.model, params.train
    seed = params.seed if options.seed is None else options.seed
    torch.manual_seed(seed)
    network = initial_network(model, info).to(device).to(memory_format=torch.channels_last)
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    print(f"{model.architecture}: {n_parameters:,} parameters on {device}")
    n_images = len(train.labels)
    failures = failures_in_training(model.architecture, n_images, options.batch_size)
    with failures, connected_ranks(device):
        if options.epochs == 0:
            write_empty_curves()
        else:
            require_trainable(network)
            report_few_steps(options, n_images)
            options = with_chosen_precision(options, device)
            params = params.model_copy(update={"train": options})
            head = find_head(network, info, options)
            training = Training(network, options, n_images, seed, head)
            learn(training, train, validation, progress_folder("train", params))
            report_outcome(training, validation, info.class_names)
    if rank() == 0:
        parameters = {**info.parameters, **params.model_dump()}
        save_checkpoint(Checkpoint(network, model.architecture, model.options, info, parameters))


if __name__ == "__main__":
    run_stage(main, Params, NEEDS_LESS, launch)
