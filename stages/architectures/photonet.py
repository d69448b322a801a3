"""Four convolutions with group norm, for few photographs: 79,651 parameters for three classes.

Each convolution halves the resolution; features are averaged over the image, so an object counts
wherever it is. Group norm (Wu and He 2018, arXiv:1803.08494) works alike for one image and for many
and keeps no running statistics, so small batches and few steps are enough. The first convolution
has none: it would remove the brightness and the contrast that tell a sky from a white wall.
Half of the features are dropped in training, so that no few of them, such as one colour, decide
alone (Srivastava et al. 2014).
"""

import itertools

from torch import nn

WIDTHS = (16, 32, 64, 96)
GROUP = 4  # channels


def build(channels: int, image_size: tuple[int, int], n_classes: int) -> nn.Module:
    """Build the network.

    Args:
        channels: 1 for grey images, 3 for colour.
        image_size: Height and width in pixels; not used, since features are averaged over them.
        n_classes: Number of outputs.

    Returns:
        A network that maps standardised images (n, channels, height, width) to logits
        (n, n_classes).
    """
    layers: list[nn.Module] = [nn.Conv2d(channels, WIDTHS[0], 3, stride=2, padding=1), nn.ReLU()]
    for inputs, outputs in itertools.pairwise(WIDTHS):
        layers += [
            nn.Conv2d(inputs, outputs, 3, stride=2, padding=1),
            nn.GroupNorm(outputs // GROUP, outputs),
            nn.ReLU(),
        ]
    head = nn.Linear(WIDTHS[-1], n_classes)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), head)
