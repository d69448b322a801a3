"""Says before training what is unwise, and after it that the network learned nothing."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from stages.base.run.rank import rank
from stages.networks.predict import predict
from stages.params.train import Train
from stages.ranks.gradients import own_slice, sum_over_ranks
from stages.training.fitting import DeviceSplit, Training

FEW_STEPS = 100  # networks with fresh weights hardly learn in fewer
SMALL_BATCH = 16


def report_few_steps(options: Train, n_images: int) -> None:
    """Print a line if training has so few steps that it may not learn.

    Args:
        options: Section `train` of `params.yaml`, with at least one epoch.
        n_images: Size of the training split.
    """
    steps = math.ceil(n_images / options.batch_size)
    if steps * options.epochs < FEW_STEPS and rank() == 0:
        print(
            f"train: {n_images:,} images in batches of {options.batch_size:,} are {steps} "
            f"step{'s' * (steps > 1)} an epoch, {steps * options.epochs} in all, which may be too "
            f"few to learn; {_more_steps(options)}"
        )


def report_outcome(training: Training, validation: DeviceSplit, class_names: Sequence[str]) -> None:
    """Print a line if the network predicts the same for all images, or is worse than a guess.

    Args:
        training: After its last epoch.
        validation: The split whose loss it has recorded.
        class_names: Names of the classes or labels.
    """
    n_images, single = len(validation.labels), validation.labels.ndim == 1
    own = own_slice(n_images)
    logits = predict(training.network.eval(), validation.images[own])
    labels = validation.labels[own]
    classes = torch.arange(logits.shape[1], device=labels.device)
    is_predicted = logits.argmax(dim=1)[:, None] == classes if single else logits > 0
    is_true = labels[:, None] == classes if single else labels > 0
    predicted, true = sum_over_ranks(torch.stack([is_predicted.sum(dim=0), is_true.sum(dim=0)]))
    loss = training.history()["validation_loss"].iloc[-1]
    guess = math.log(len(class_names) if single else 2)
    if rank() > 0:
        return
    if _alike(predicted, n_images) and not _alike(true, n_images):
        named = ", ".join(class_names[i] for i in predicted.nonzero().flatten().tolist())
        print(
            f"train: the network predicts {named or 'no label'} for all {n_images:,} validation "
            f"images (validation loss {loss:,.2f}); {_advice(training)}"
        )
    elif loss > guess:
        print(
            f"train: the last epoch's validation loss is {loss:,.2f}, above {guess:.2f}, that of "
            f"a guess; {_advice(training)}"
        )


def _alike(counts: Tensor, n_images: int) -> bool:
    """Whether each class is that of no image, or of all."""
    return bool(((counts == 0) | (counts == n_images)).all())


def _advice(training: Training) -> str:
    options = training.options
    if training.steps_an_epoch * options.epochs < FEW_STEPS:
        return f"it took few steps: {_more_steps(options)}"
    return (
        f"lower train.learning_rate (got {options.learning_rate:g}), or start from trained weights"
    )


def _more_steps(options: Train) -> str:
    smaller = f"lower train.batch_size (got {options.batch_size:,}) or "
    return (
        f"{smaller if options.batch_size > SMALL_BATCH else ''}raise train.epochs (got "
        f"{options.epochs}); recipes/photographs.yaml is for few images"
    )
