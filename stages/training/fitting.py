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
from stages.core.errors import UserError
from stages.networks.predict import predict
from stages.params.train import Augmentation, Train
from stages.training.augment import augment
from stages.training.optimizers import build_optimizer, build_schedule

DeviceSplit = LabelledImages[Tensor, Tensor]
"""A split on the device: images (n, c, h, w) in uint8, labels (n,) in int64."""

_COLUMNS = (
    "epoch",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "learning_rate",
)


class Score(NamedTuple):
    """Mean cross-entropy in nats and the share of images classified correctly."""

    loss: float
    accuracy: float


def to_device(split: Split, device: torch.device) -> DeviceSplit:
    """Move a split to the device, images channels last."""
    images = torch.from_numpy(split.images).to(device, memory_format=torch.channels_last)
    return DeviceSplit(images, torch.from_numpy(split.labels).to(device))


def fit(
    network: nn.Module, train: DeviceSplit, validation: DeviceSplit, options: Train, seed: int
) -> Iterator[pd.DataFrame]:
    """Train `network` in place; in the end it has the weights that `train.keep` names.

    Args:
        network: Maps uint8 images (n, c, h, w) to logits (n, k).
        train: Images to learn from.
        validation: Images to choose the best epoch by.
        options: Section `train` of `params.yaml`.
        seed: Of the order of the images and of their augmentation.

    Yields:
        The history after each epoch, one row an epoch: loss and accuracy on both splits, learning
        rate. Those on the training split are means over the epoch, while the weights changed and
        dropout was on. Without an epoch, once, an empty one: the network stays as it is.

    Raises:
        UserError: The loss is no longer finite.
    """
    if options.epochs == 0:
        yield pd.DataFrame(columns=_COLUMNS)
        return
    n_steps = options.epochs * math.ceil(len(train.labels) / options.batch_size)
    optimizer = build_optimizer(network, options)
    schedule = build_schedule(optimizer, options, n_steps)
    generator = torch.Generator().manual_seed(seed)
    rows = []
    best_loss, kept_weights = math.inf, {}
    with tqdm(total=n_steps, desc="train", unit="step", mininterval=1, disable=None) as progress:
        for epoch in range(1, options.epochs + 1):
            rate = optimizer.param_groups[0]["lr"]
            batches = shuffled_batches(train, options.batch_size, options.augment, generator)
            counted = _counted(batches, progress)
            on_train = train_epoch(network, counted, optimizer, schedule, options.precision)
            on_validation = score(network, validation)
            if not (math.isfinite(on_train.loss) and math.isfinite(on_validation.loss)):
                raise UserError(
                    f"train: the loss is no longer finite in epoch {epoch}; lower "
                    f"train.learning_rate (got {options.learning_rate})"
                )
            rows.append((epoch, *on_train, *on_validation, rate))
            progress.write(
                f"epoch {epoch}: loss {on_train.loss:.4f}, accuracy {on_train.accuracy:.2%}; "
                f"validation loss {on_validation.loss:.4f}, accuracy {on_validation.accuracy:.2%}"
            )
            if options.keep == "last" or on_validation.loss < best_loss:
                best_loss = on_validation.loss
                weights = network.state_dict().items()
                kept_weights = {name: tensor.clone() for name, tensor in weights}
            yield pd.DataFrame(rows, columns=_COLUMNS)
    network.load_state_dict(kept_weights)


def shuffled_batches(
    split: DeviceSplit,
    size: int,
    augmentations: Collection[Augmentation],
    generator: torch.Generator,
) -> Iterator[DeviceSplit]:
    """Batches of all images in random order, augmented; the last batch may be smaller."""
    order = torch.randperm(len(split.labels), generator=generator).to(split.labels.device)
    for chosen in order.split(size):
        images = split.images[chosen]
        if augmentations:
            images = augment(images, augmentations, generator)
        yield DeviceSplit(images, split.labels[chosen])


def _counted(batches: Iterator[DeviceSplit], progress: "tqdm[Never]") -> Iterator[DeviceSplit]:
    for batch in batches:
        yield batch
        progress.update()


def train_epoch(
    network: nn.Module,
    batches: Iterator[DeviceSplit],
    optimizer: Optimizer,
    schedule: LRScheduler,
    precision: str,
) -> Score:
    """Take one optimiser step for each batch; the score is the mean over their images."""
    network.train()
    losses, n_correct = [], []
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
        n_correct.append((logits.argmax(dim=1) == labels).sum())
        n_images += len(labels)
    return Score(
        torch.stack(losses).sum().item() / n_images, torch.stack(n_correct).sum().item() / n_images
    )


def score(network: nn.Module, split: DeviceSplit) -> Score:
    """Loss and accuracy of the network as later stages use it: without dropout, in float32."""
    logits = predict(network.eval(), split.images)
    accuracy = (logits.argmax(dim=1) == split.labels).float().mean()
    return Score(cross_entropy(logits, split.labels).item(), accuracy.item())
