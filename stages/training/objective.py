"""What training minimises: cross-entropy, of one class or of several labels an image."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, pad

from stages.params.train import Train


def class_weights(options: Train, labels: Tensor) -> Tensor | None:
    """The weights that `train.class_weights` asks for; None if all images count alike.

    Balanced weights are inversely proportional to the number of images. Their mean over the
    training images is 1, and each class that has images gets the same sum. With several labels an
    image, the presence and the absence of each label take the place of classes.

    Args:
        options: Section `train` of `params.yaml`.
        labels: Labels of the training split: classes (n,), or 0 and 1 for each label (n, k).

    Returns:
        The weight of each class up to the last that has images, 0 for one that has none; with
        several labels (2, k), of the absence and of the presence of each label.
    """
    if options.class_weights == "none":
        return None
    if labels.ndim == 1:
        counts = labels.bincount()
    else:
        counts = torch.stack([(labels == 0).sum(dim=0), (labels > 0).sum(dim=0)])
    occurs = counts > 0
    return counts.sum(dim=0) / (occurs.sum(dim=0) * counts.clamp(min=1)) * occurs


def loss_and_correct(
    logits: Tensor, labels: Tensor, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Sums over the images of the loss, in nats, and of the share that is classified correctly.

    Args:
        logits: (n, k).
        labels: True classes (n,), for cross-entropy; or 0 and 1 for each label (n, k), for the
            mean over the labels of binary cross-entropy, where a label with a logit above 0 is
            predicted.
        weights: From `class_weights`; the loss is multiplied by them.
    """
    if labels.ndim == 1:
        if weights is not None:  # classes without training images have weight 0
            weights = pad(weights.to(logits), (0, logits.shape[1] - len(weights)))
        loss = cross_entropy(logits, labels, weights, reduction="sum")
        return loss, (logits.argmax(dim=1) == labels).sum()
    losses = binary_cross_entropy_with_logits(logits, labels.to(logits), reduction="none")
    if weights is not None:
        losses = losses * torch.where(labels > 0, weights[1], weights[0])
    return losses.mean(dim=1).sum(), ((logits > 0) == (labels > 0)).double().mean(dim=1).sum()
