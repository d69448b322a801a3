"""Train the network and keep its weights: `python -m stages.train`."""

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple, Never

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR
from tqdm import tqdm

from stages.params.model import Model
from stages.params.train import Change, Train
from stages.pipeline.augment import augment
from stages.pipeline.device import choose_device
from stages.pipeline.errors import UserError
from stages.pipeline.files import new_folder, write_csv
from stages.pipeline.network import build_network, predict, save_network
from stages.pipeline.params import DeviceName, Seed, StageParams
from stages.pipeline.splits import Split, load_facts, load_split
from stages.pipeline.stage import run_stage

PREPARED = Path("data/prepared")


class Params(StageParams):
    """What this stage reads."""

    device: DeviceName
    seed: Seed
    model: Model
    train: Train


def main(params: Params) -> None:
    """Build, fit, write."""
    device = choose_device(params.device)
    facts = load_facts(PREPARED)
    train, validation = (
        Labelled.of(load_split(PREPARED, name), device) for name in ("train", "validation")
    )
    torch.manual_seed(params.seed)
    architecture, options = params.model.architecture, params.model.options
    network = build_network(architecture, facts, **options).to(device)
    network = network.to(memory_format=torch.channels_last)
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    print(f"{architecture}: {n_parameters:,} parameters on {device}")
    history = fit(network, train, validation, params.train, params.seed)
    with new_folder(Path("data/model")) as folder:
        save_network(folder, network, architecture, options, facts)
    write_csv(Path("plots/training.csv"), history)


class Labelled(NamedTuple):
    """A split on the device, whole: images (n, c, h, w) in uint8, labels (n,) in int64."""

    images: Tensor
    labels: Tensor

    @classmethod
    def of(cls, split: Split, device: torch.device) -> "Labelled":
        """Move a split to the device."""
        images = torch.from_numpy(split.images).to(device, memory_format=torch.channels_last)
        return cls(images, torch.from_numpy(split.labels).to(device))

    def shuffled_batches(
        self, size: int, changes: Collection[Change], generator: torch.Generator
    ) -> Iterator["Labelled"]:
        """Every image once, changed, in random order; the last batch may be smaller."""
        order = torch.randperm(len(self.labels), generator=generator).to(self.labels.device)
        for chosen in order.split(size):
            images = self.images[chosen]
            changed = augment(images, changes, generator) if changes else images
            yield Labelled(changed, self.labels[chosen])


class Score(NamedTuple):
    """Mean cross-entropy in nats and the share of images classified correctly."""

    loss: float
    accuracy: float


def fit(
    network: nn.Module, train: Labelled, validation: Labelled, options: Train, seed: int
) -> pd.DataFrame:
    """Train `network` in place and leave it with the weights that are to be kept.

    Args:
        network: Maps uint8 images (n, c, h, w) to logits (n, k).
        train: Images to learn from.
        validation: Images to choose the epoch by.
        options: How.
        seed: Of the order of batches and their changes.

    Returns:
        One row an epoch: loss and accuracy of both splits, learning rate. Those of the training
        split are means over the epoch, while the weights changed and dropout was on.

    Raises:
        UserError: The loss is no longer finite.
    """
    n_steps = options.epochs * math.ceil(len(train.labels) / options.batch_size)
    optimizer = build_optimizer(network, options)
    schedule = build_schedule(optimizer, options, n_steps)
    generator = torch.Generator().manual_seed(seed)
    rows = []
    best_loss, kept = math.inf, {}
    with tqdm(total=n_steps, desc="train", unit="step", mininterval=1, disable=None) as progress:
        for epoch in range(1, options.epochs + 1):
            rate = optimizer.param_groups[0]["lr"]
            batches = train.shuffled_batches(options.batch_size, options.augment, generator)
            fitted = train_epoch(network, batches, optimizer, schedule, options.precision, progress)
            score = evaluate(network, validation)
            if not (math.isfinite(fitted.loss) and math.isfinite(score.loss)):
                raise UserError(
                    f"train: the loss is no longer finite in epoch {epoch}; lower "
                    f"train.learning_rate (it is {options.learning_rate})"
                )
            rows.append((epoch, *fitted, *score, rate))
            progress.write(
                f"epoch {epoch}: loss {fitted.loss:.4f}, accuracy {fitted.accuracy:.2%}; "
                f"validation loss {score.loss:.4f}, accuracy {score.accuracy:.2%}"
            )
            if options.keep == "last" or score.loss < best_loss:
                best_loss = score.loss
                kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.load_state_dict(kept)
    columns = ["epoch", "train_loss", "train_accuracy"]
    columns += ["validation_loss", "validation_accuracy", "learning_rate"]
    return pd.DataFrame(rows, columns=columns)


def train_epoch(
    network: nn.Module,
    batches: Iterator[Labelled],
    optimizer: Optimizer,
    schedule: LRScheduler,
    precision: str,
    progress: "tqdm[Never]",
) -> Score:
    """Take one optimiser step for each batch."""
    network.train()
    losses, hits = [], []
    n_images = 0
    for images, labels in batches:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            logits = network(images)
        loss = cross_entropy(logits.float(), labels, reduction="sum")
        optimizer.zero_grad()
        (loss / len(labels)).backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
        hits.append((logits.argmax(dim=1) == labels).sum())
        n_images += len(labels)
        progress.update()
    return Score(
        torch.stack(losses).sum().item() / n_images, torch.stack(hits).sum().item() / n_images
    )


def evaluate(network: nn.Module, split: Labelled) -> Score:
    """Loss and accuracy of the network as it is used later: without dropout, in float32."""
    logits = predict(network.eval(), split.images)
    hits = (logits.argmax(dim=1) == split.labels).float().mean()
    return Score(cross_entropy(logits, split.labels).item(), hits.item())


def build_optimizer(network: nn.Module, options: Train) -> Optimizer:
    """Build the optimiser that `train.optimizer` names."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    rate, decay = options.learning_rate, options.weight_decay
    if options.optimizer == "sgd":
        return SGD(parameters, rate, momentum=options.momentum, weight_decay=decay)
    optimizer = Adam if options.optimizer == "adam" else AdamW
    return optimizer(parameters, rate, weight_decay=decay)


def build_schedule(optimizer: Optimizer, options: Train, n_steps: int) -> LRScheduler:
    """Build the learning rate's course over the steps of the run."""
    if options.schedule == "constant":
        return ConstantLR(optimizer, factor=1, total_iters=0)
    return OneCycleLR(optimizer, options.learning_rate, total_steps=n_steps, cycle_momentum=False)


if __name__ == "__main__":
    run_stage(main, Params)
