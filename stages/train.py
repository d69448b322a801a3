"""Train the network and save its weights: `python -m stages.train`."""

import time
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from stages.artifacts.splits import load_info, load_split
from stages.base.files.formats import write_csv
from stages.base.params.sections import DeviceName, Seed, StageParams
from stages.base.run.progress import progress_folder
from stages.base.run.rank import rank
from stages.base.run.stage import require_true_record, run_stage
from stages.networks.build import build_network
from stages.networks.checkpoint import Checkpoint, save_checkpoint
from stages.networks.device import choose_device, configure_process_for
from stages.params.model import WEIGHTS, Model
from stages.params.train import TrainOrWeights
from stages.ranks import launch
from stages.ranks.gradients import connected_ranks
from stages.training.failures import failures_in_training
from stages.training.fitting import COLUMNS, DeviceSplit, Training, fit, to_device
from stages.training.progress import go_on, keep_progress
from stages.training.start import first_layer, load_weights

CURVES = Path("plots/training.csv")

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
    """Build, train, write; of several ranks the first writes."""
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
    failures = failures_in_training(model.architecture, len(train.labels), params.train.batch_size)
    with failures, connected_ranks(device):
        learn(network, train, validation, params)
    if rank() == 0:
        parameters = {**info.parameters, **params.model_dump()}
        save_checkpoint(Checkpoint(network, model.architecture, model.options, info, parameters))


def learn(network: nn.Module, train: DeviceSplit, validation: DeviceSplit, params: Params) -> None:
    """Train the network; after each epoch the curves grow, and edits made meanwhile stop it."""
    if params.train.epochs == 0:
        if rank() == 0:
            write_csv(CURVES, pd.DataFrame(columns=COLUMNS))
        return
    training = Training(network, params.train, len(train.labels), params.seed)
    kept = progress_folder("train", params) / "epoch.pt"
    go_on(training, kept)
    if rank() == 0:
        write_csv(CURVES, training.history())
    start, n_done = time.perf_counter(), len(training.rows)
    for _ in fit(training, train, validation):
        require_true_record()
        if rank() == 0:
            write_csv(CURVES, training.history())
        keep_progress(training, kept)
    n_epochs, seconds = len(training.rows) - n_done, time.perf_counter() - start
    print(f"trained {n_epochs} epoch{'s' * (n_epochs != 1)} in {seconds:.1f} s")


if __name__ == "__main__":
    run_stage(main, Params, NEEDS_LESS, launch)
