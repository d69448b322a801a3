"""How a network that comes from a file takes its images: the order of axes, three channels."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from stages.base.errors.user import UserError


class Layout(NamedTuple):
    """The form in which a network takes an image.

    Attributes:
        shape: Shape of one image, in the network's order of axes.
        channels: 1 or 3; a grey image is repeated where the network takes colour.
        channels_last: Whether channels are the last axis, also of images without such an axis.
    """

    shape: tuple[int, ...]
    channels: int
    channels_last: bool

    def arrange(self, images: Tensor) -> Tensor:
        """Map (n, c, h, w), with this layout's channels, to (n, *shape)."""
        if self.channels_last:
            images = images.permute(0, 2, 3, 1)
        return images if images.shape[1:] == self.shape else images.reshape(-1, *self.shape)


def layout_for(
    accepted: Sequence[int | None], channels: int, size: tuple[int, int], file: Path
) -> Layout:
    """The layout of our images that a network accepts.

    Args:
        accepted: Shape of one image; None for an axis of any length.
        channels: 1 for grey images, 3 for colour.
        size: Height and width in pixels.
        file: The network, for the message.

    Raises:
        UserError: The network takes images of another size or with other channels.
    """
    for layout in _layouts(channels, *size):
        if len(layout.shape) == len(accepted) and all(
            length in (None, actual) for length, actual in zip(accepted, layout.shape, strict=True)
        ):
            return layout
    wanted = "×".join("any" if length is None else str(length) for length in accepted)
    raise UserError(
        f"{file}: its network takes images of {wanted}, got {size[0]}×{size[1]} pixels with "
        f"{channels} channel{'s' * (channels > 1)}; set preprocess.image_size and preprocess.color"
    )


def _layouts(channels: int, height: int, width: int) -> Iterator[Layout]:
    for n in dict.fromkeys((channels, 3)):
        yield Layout((n, height, width), n, channels_last=False)
        yield Layout((height, width, n), n, channels_last=True)
        yield Layout((height * width * n,), n, channels_last=True)
    if channels == 1:
        yield Layout((height, width), 1, channels_last=True)
