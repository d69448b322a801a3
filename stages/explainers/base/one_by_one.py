"""Methods that compute one map of one image at a time, as other libraries do."""

from collections.abc import Callable

from torch import Tensor

from stages.explainers.base.contract import Attribute, Attributions

MapEach = Callable[[Tensor, Tensor], Tensor]
"""A function from images (p, c, h, w) and the class of each (p,) to values (p, c, h, w)."""


def one_by_one(map_each: MapEach) -> Attribute:
    """A method that repeats each image for each of its maps.

    Args:
        map_each: Computes one map of each image that it is given. The images are copies, and may
            require gradients.
    """

    def attribute(images: Tensor, classes: Tensor) -> Attributions:
        repeated = images.detach().repeat_interleave(classes.shape[1], dim=0)
        values = map_each(repeated, classes.flatten().to(images.device)).detach()
        by_image = values.unflatten(0, tuple(classes.shape))  # (n, m, c, h, w)
        return Attributions(by_image.movedim(1, -1).cpu().numpy())

    return attribute
