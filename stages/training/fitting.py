"""The training loop."""

import math
from collections.abc import Collection, Iterator
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from stages.artifacts.splits import LabelledImages, Split
from stages.base.errors.user import UserError
from stages.base.run.bars import ProgressBar
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
from stages.training.freezing import freeze
from stages.training.objective import class_weights, loss_and_correct
from stages.training.optimizers import build_optimizer, build_schedule

DeviceSplit = LabelledImages[Tensor, Tensor]
"""A split on the device: images (n, c, h, w) in uint8, labels (n,) or (n, k) in int64."""

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
    """Mean loss in nats and the share of images, or of their labels, classified correctly."""

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
        head: From `find_head`.
    """

    def __init__(
        self,
        network: nn.Sequential,
        options: Train,
        n_images: int,
        seed: int,
        head: nn.Module | None = None,
    ) -> None:
        self.network = network
        self.still = freeze(network, options.freeze, head)
        self.options = options
        self.steps_an_epoch = math.ceil(n_images / options.batch_size)
        self.optimizer = build_optimizer(network, options, head)
        n_steps = options.epochs * self.steps_an_epoch
        self.schedule = build_schedule(self.optimizer, options, n_steps)
        self.generator = torch.Generator().manual_seed(seed)
        self.rows: list[tuple[float, ...]] = []
        self.best_loss = math.inf
        self.kept_weights: dict[str, Tensor] = {}

    def enter_training_mode(self) -> None:
        """Put the network into training mode, all but its frozen parts."""
        self.network.train()
        for module in self.still:
            module.eval()

    def history(self) -> pd.DataFrame:
        """One row per epoch: loss and accuracy on both splits, learning rate of the last step.

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
    options, weights = training.options, class_weights(training.options, train.labels)
    done, per_epoch = len(training.rows), training.steps_an_epoch
    sizes = options.batch_size, len(validation.labels)
    require_images_for_every_rank(training.network, train.images, *sizes)
    require_usable_last_batch(training, train.images)
    network = with_averaged_gradients(training.network, train.images.device)
    total, initial = options.epochs * per_epoch, done * per_epoch
    with ProgressBar[None](desc="train", unit="step", total=total, initial=initial) as progress:
        for epoch in range(done + 1, options.epochs + 1):
            rates: list[float] = []
            batches = shuffled_batches(
                train, options.batch_size, options.augment, training.generator
            )
            watched = _watched(batches, progress, training.optimizer, rates)
            training.enter_training_mode()
            on_train = train_epoch(network, watched, training, weights)
            on_validation = score(training.network, validation, weights)
            if not (math.isfinite(on_train.loss) and math.isfinite(on_validation.loss)):
                raise UserError(
                    f"train: the loss is no longer finite in epoch {epoch}; lower "
                    f"{_learning_rates(options)}"
                )
            training.record(on_train, on_validation, rates[-1])
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


def _watched(
    batches: Iterator[Batch],
    progress: ProgressBar[None],
    optimizer: Optimizer,
    rates: list[float],
) -> Iterator[Batch]:
    """The batches; counts their steps, and appends the learning rate of each to `rates`."""
    for batch in batches:
        rates.append(optimizer.param_groups[0]["lr"])
        yield batch
        progress.update()


def require_usable_last_batch(training: Training, images: Tensor) -> None:
    """Try a last batch of one image, which batch norm rejects, before the first epoch ends with it.

    The network and the random numbers of training stay as they are.
    """
    if len(images) % training.options.batch_size != 1:
        return
    training.enter_training_mode()
    buffers = [(buffer, buffer.clone()) for buffer in training.network.buffers()]
    devices = [images.device] if images.device.type == "cuda" else []
    with torch.no_grad(), torch.random.fork_rng(devices):
        training.network(images[:1][own_slice(1)])
        for buffer, before in buffers:
            buffer.copy_(before)


def train_epoch(
    network: nn.Module, batches: Iterator[Batch], training: Training, weights: Tensor | None = None
) -> Score:
    """Take one optimiser step per batch; return the mean score over the images of all batches."""
    losses, n_correct = [], []
    n_seen, bfloat16 = 0, training.options.precision == "bfloat16"
    for images, labels, n_images in batches:
        narrow = torch.autocast(images.device.type, torch.bfloat16, enabled=bfloat16)
        with narrow, FastDropout():
            logits = network(images)
        wide = torch.promote_types(logits.dtype, torch.float32)
        loss, correct = loss_and_correct(logits.to(wide), labels, weights)
        training.optimizer.zero_grad()
        (loss / (n_images / n_ranks())).backward()  # the ranks' gradients are averaged
        training.optimizer.step()
        training.schedule.step()
        losses.append(loss.detach())
        n_correct.append(correct)
        n_seen += n_images
    return _mean(torch.stack(losses).sum(), torch.stack(n_correct).sum(), n_seen)


def score(network: nn.Module, split: DeviceSplit, weights: Tensor | None = None) -> Score:
    """Loss and accuracy in the mode of later stages: without dropout, in float32."""
    own = own_slice(len(split.labels))
    labels = split.labels[own]
    logits = predict(network.eval(), split.images[own])
    return _mean(*loss_and_correct(logits, labels, weights), len(split.labels))


def _learning_rates(options: Train) -> str:
    """The parameters that set the learning rates, with their values."""
    names = ("learning_rate", "head_learning_rate")
    rates = {name: getattr(options, name) for name in names}
    return " or ".join(f"train.{name} (got {rate})" for name, rate in rates.items() if rate)


def _mean(loss: Tensor, n_correct: Tensor, n_images: int) -> Score:
    """The score for the images of all ranks, from this rank's sums."""
    total_loss, total_correct = sum_over_ranks(torch.stack([loss, n_correct])).tolist()
    return Score(total_loss / n_images, total_correct / n_images)
