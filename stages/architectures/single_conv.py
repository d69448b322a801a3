"""One 3×3 convolution with pooling, one hidden linear layer; for images of 4×4 pixels or more."""

from torch import nn


def build(channels: int, image_size: tuple[int, int], n_classes: int) -> nn.Module:
    """Build the network.

    Args:
        channels: 1 for grey images, 3 for colour.
        image_size: Height and width in pixels.
        n_classes: Number of outputs.

    Returns:
        A network that maps standardised images (n, channels, height, width) to logits
        (n, n_classes).
    """
    height, width = ((side - 2) // 2 for side in image_size)
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * height * width, 256),
        nn.ReLU(),
        nn.Linear(256, n_classes),
    )
