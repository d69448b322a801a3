"""The training loop."""

import math
from collections.abc import Collection, Iterator
from typing import NamedTuple, Never

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm

from stages.artifacts.splits import LabelledImages, Split
from stages.base.errors.user import UserError
from stages.base.run.rank import n_ranks
from stages.networks.predict import predict
from stages.params.train import Augmentation, Train
from stages.ranks.gradients import (
    own_slice,
    require_images_for_every_rank,
    sum_over_ranks,
    with_averaged_gradients,
)
from stages.training.augment import augment
from stages.training.dropout import FastDropout
from stages.training.optimizers import build_optimizer, build_schedule

DeviceSplit = LabelledImages[Tensor, Tensor]
"""A split on the device: images (n, c, h, w) in uint8, labels (n,) in int64."""

COLUMNS = (
    "epoch",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "learning_rate",
)


class Batch(NamedTuple):
    """A rank's slice of a batch: images and labels as in `DeviceSplit`, and the batch's size."""

    images: Tensor
    labels: Tensor
    n_images: int


class Score(NamedTuple):
    """Mean cross-entropy in nats and the share of images classified correctly."""

    loss: float
    accuracy: float


def to_device(split: Split, device: torch.device) -> DeviceSplit:
    """Copy a split to the device, with images in the memory format channels last."""
    images = torch.from_numpy(split.images).to(device, memory_format=torch.channels_last)
    return DeviceSplit(images, torch.from_numpy(split.labels).to(device))


class Training:
    """The state of a training between two epochs: everything that the next epoch depends on.

    Args:
        network: Maps uint8 images (n, c, h, w) to logits (n, k); trained in place.
        options: Section `train` of `params.yaml`, with at least one epoch.
        n_images: Size of the training split.
        seed: Seed for the order and the augmentation of images.
    """

    def __init__(self, network: nn.Module, options: Train, n_images: int, seed: int) -> None:
        self.network = network
        self.options = options
        self.steps_an_epoch = math.ceil(n_images / options.batch_size)
        self.optimizer = build_optimizer(network, options)
        n_steps = options.epochs * self.steps_an_epoch
        self.schedule = build_schedule(self.optimizer, options, n_steps)
        self.generator = torch.Generator().manual_seed(seed)
        self.rows: list[tuple[float, ...]] = []
        self.best_loss = math.inf
        self.kept_weights: dict[str, Tensor] = {}

    def history(self) -> pd.DataFrame:
        """One row per epoch: loss and accuracy on both splits, learning rate.

        Values for the training split are means over the epoch, during which the weights changed and
        dropout was on.
        """
        return pd.DataFrame(self.rows, columns=COLUMNS)

    def record(self, on_train: Score, on_validation: Score, rate: float) -> None:
        """Add an epoch to the history; with `keep: best`, keep its weights if they are the best."""
        self.rows.append((len(self.rows) + 1, *on_train, *on_validation, rate))
        if self.options.keep == "best" and on_validation.loss < self.best_loss:
            self.best_loss = on_validation.loss
            weights = self.network.state_dict().items()
            self.kept_weights = {name: tensor.clone() for name, tensor in weights}


def fit(training: Training, train: DeviceSplit, validation: DeviceSplit) -> Iterator[int]:
    """Train for the remaining epochs; in the end the network has the weights of `train.keep`.

    Args:
        training: Changed in place.
        train: Images to learn from.
        validation: Images to choose the best epoch by.

    Yields:
        The number of each epoch, from 1, once it is over.

    Raises:
        UserError: The loss is no longer finite, or a rank has no images but the network needs them.
    """
    options, optimizer = training.options, training.optimizer
    done, per_epoch = len(training.rows), training.steps_an_epoch
    sizes = options.batch_size, len(validation.labels)
    require_images_for_every_rank(training.network, train.images, *sizes)
    network = with_averaged_gradients(training.network, train.images.device)
    with tqdm(
        total=options.epochs * per_epoch,
        initial=done * per_epoch,
        desc="train",
        unit="step",
        mininterval=1,
        disable=None,
    ) as progress:
        for epoch in range(done + 1, options.epochs + 1):
            rate = optimizer.param_groups[0]["lr"]
            batches = shuffled_batches(
                train, options.batch_size, options.augment, training.generator
            )
            counted = _counted(batches, progress)
            on_train = train_epoch(
                network, counted, optimizer, training.schedule, options.precision
            )
            on_validation = score(training.network, validation)
            if not (math.isfinite(on_train.loss) and math.isfinite(on_validation.loss)):
                raise UserError(
                    f"train: the loss is no longer finite in epoch {epoch}; lower "
                    f"train.learning_rate (got {options.learning_rate})"
                )
            training.record(on_train, on_validation, rate)
            progress.write(
                f"epoch {epoch}: loss {on_train.loss:.4f}, accuracy {on_train.accuracy:.2%}; "
                f"validation loss {on_validation.loss:.4f}, accuracy {on_validation.accuracy:.2%}"
            )
            yield epoch
    if options.keep == "best":
        training.network.load_state_dict(training.kept_weights)


def shuffled_batches(
    split: DeviceSplit,
    size: int,
    augmentations: Collection[Augmentation],
    generator: torch.Generator,
) -> Iterator[Batch]:
    """Batches of all images in random order, augmented; the last batch may be smaller."""
    order = torch.randperm(len(split.labels), generator=generator).to(split.labels.device)
    for batch in order.split(size):
        own = own_slice(len(batch))
        chosen = batch[own]
        images = split.images[chosen]
        if augmentations:
            images = augment(images, augmentations, generator, len(batch), own.start)
        yield Batch(images, split.labels[chosen], len(batch))


def _counted(batches: Iterator[Batch], progress: "tqdm[Never]") -> Iterator[Batch]:
    for batch in batches:
        yield batch
        progress.update()


def train_epoch(
    network: nn.Module,
    batches: Iterator[Batch],
    optimizer: Optimizer,
    schedule: LRScheduler,
    precision: str,
) -> Score:
    """Take one optimiser step per batch; return the mean score over the images of all batches."""
    network.train()
    losses, n_correct = [], []
    n_seen = 0
    for images, labels, n_images in batches:
        narrow = torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bfloat16")
        with narrow, FastDropout():
            logits = network(images)
        wide = torch.promote_types(logits.dtype, torch.float32)
        loss = cross_entropy(logits.to(wide), labels, reduction="sum")
        optimizer.zero_grad()
        (loss / (n_images / n_ranks())).backward()  # the ranks' gradients are averaged
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
        n_correct.append((logits.argmax(dim=1) == labels).sum())
        n_seen += n_images
    return _mean(torch.stack(losses).sum(), torch.stack(n_correct).sum(), n_seen)


def score(network: nn.Module, split: DeviceSplit) -> Score:
    """Loss and accuracy in the mode of later stages: without dropout, in float32."""
    own = own_slice(len(split.labels))
    labels = split.labels[own]
    logits = predict(network.eval(), split.images[own])
    n_correct = (logits.argmax(dim=1) == labels).sum()
    return _mean(cross_entropy(logits, labels, reduction="sum"), n_correct, len(split.labels))


def _mean(loss: Tensor, n_correct: Tensor, n_images: int) -> Score:
    """The score for the images of all ranks, from this rank's sums."""
    total_loss, total_correct = sum_over_ranks(torch.stack([loss, n_correct])).tolist()
    return Score(total_loss / n_images, total_correct / n_images)
