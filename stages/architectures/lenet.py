"""The small LeNet of many MNIST tutorials: 21,840 parameters on 28×28 grey images."""

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
    height, width = (((side - 4) // 2 - 4) // 2 for side in image_size)
    return nn.Sequential(
        nn.Conv2d(channels, 10, 5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(10, 20, 5),
        nn.Dropout(0.5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(20 * height * width, 50),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(50, n_classes),
    )
