"""Two 3×3 convolutions with pooling, a linear layer: 34,826 parameters on 28×28 grey images."""

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
    height, width = (((side - 2) // 2 - 2) // 2 for side in image_size)
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(64 * height * width, n_classes),
    )
