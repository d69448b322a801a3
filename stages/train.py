"""Train the network and save its weights: `python -m stages.train`."""

import torch

from stages.artifacts.splits import load_info, load_split
from stages.base.params.sections import DeviceName, Seed, StageParams
from stages.base.run.progress import progress_folder
from stages.base.run.rank import rank
from stages.base.run.stage import run_stage
from stages.networks.build import build_network
from stages.networks.checkpoint import Checkpoint, save_checkpoint
from stages.networks.device import choose_device, configure_process_for
from stages.params.model import WEIGHTS, Model
from stages.params.train import TrainOrWeights
from stages.ranks import launch
from stages.ranks.gradients import connected_ranks
from stages.training.failures import failures_in_training
from stages.training.fitting import Training, to_device
from stages.training.learning import learn, write_empty_curves
from stages.training.start import first_layer, load_weights

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
    torch.manual_seed(params.seed)
    model = params.model
    statistics = first_layer(model.standardize, info)
    network = build_network(model.architecture, info, model.options, statistics)
    if model.weights is not None:
        load_weights(network, WEIGHTS / model.weights, model.skip_weights)
    network = network.to(device).to(memory_format=torch.channels_last)
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    print(f"{model.architecture}: {n_parameters:,} parameters on {device}")
    n_images = len(train.labels)
    failures = failures_in_training(model.architecture, n_images, params.train.batch_size)
    with failures, connected_ranks(device):
        if params.train.epochs == 0:
            write_empty_curves()
        else:
            training = Training(network, params.train, n_images, params.seed)
            learn(training, train, validation, progress_folder("train", params))
    if rank() == 0:
        parameters = {**info.parameters, **params.model_dump()}
        save_checkpoint(Checkpoint(network, model.architecture, model.options, info, parameters))


if __name__ == "__main__":
    run_stage(main, Params, NEEDS_LESS, launch)
