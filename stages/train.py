"""Train the network and save its weights: `python -m stages.train`."""

from pathlib import Path

import torch

from stages.artifacts.splits import load_info, load_split
from stages.core.files import write_csv
from stages.core.sections import DeviceName, Seed, StageParams
from stages.core.stage import require_true_record, run_stage
from stages.networks.build import build_network
from stages.networks.checkpoint import Checkpoint, save_checkpoint
from stages.networks.device import choose_device, configure_process_for
from stages.params.model import WEIGHTS, Model
from stages.params.train import TrainOrWeights
from stages.training.failures import failures_in_training
from stages.training.fitting import fit, to_device
from stages.training.start import first_layer, load_weights

CURVES = Path("plots/training.csv")


class Params(StageParams):
    """The parameters that this stage reads."""

    device: DeviceName
    seed: Seed
    model: Model
    train: TrainOrWeights


def main(params: Params) -> None:
    """Build, train, write; after each epoch the curves grow, and edits made meanwhile stop it."""
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
    with failures_in_training(model.architecture, len(train.labels), params.train.batch_size):
        for history in fit(network, train, validation, params.train, params.seed):
            write_csv(CURVES, history)
            require_true_record()
    parameters = {**info.parameters, **params.model_dump()}
    save_checkpoint(Checkpoint(network, model.architecture, model.options, info, parameters))


if __name__ == "__main__":
    run_stage(main, Params, in_ranks=True)
