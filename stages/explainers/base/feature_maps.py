"""The last feature maps of a network, and how coarse maps are enlarged to the image."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.base.errors.user import UserError
from stages.networks.build import source_location


def feature_layer(network: nn.Module, image: Tensor) -> nn.Module:
    """The module that yields the network's last feature maps.

    That is the last one whose output has the shape of the last convolution's output, such as the
    batch norm and the ReLU after it. Maps of a single pixel do not count.

    Args:
        network: In eval mode.
        image: One image (1, c, h, w).

    Raises:
        UserError: No convolution that is a module of its own yields maps of several pixels.
    """
    calls: list[tuple[nn.Module, torch.Size]] = []

    def keep(module: nn.Module, _: object, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output[0, 0].numel() > 1:
            calls.append((module, output.shape))

    handles = [module.register_forward_hook(keep) for module in network.modules()]
    try:
        with torch.no_grad():
            network(image)
    finally:
        for handle in handles:
            handle.remove()
    convolutions = [i for i, (module, _) in enumerate(calls) if isinstance(module, nn.Conv2d)]
    if not convolutions:
        raise UserError(
            f"{source_location(network, type(network).__name__)}: needs feature maps, but no "
            "convolution (nn.Conv2d) of the network yields maps of more than one pixel; choose "
            "another method"
        )
    _, shape = calls[convolutions[-1]]
    return [module for module, size in calls if size == shape][-1]


def features_and_gradients(
    network: nn.Module, layer: nn.Module, images: Tensor, classes: Tensor
) -> tuple[Tensor, Tensor]:
    """Output of a layer for images, and the gradient of each image's output by it.

    Args:
        network: In eval mode; maps (p, c, h, w) to (p, k).
        layer: One of its modules; of several calls, the last counts.
        images: (p, c, h, w).
        classes: The output that counts for each image (p,).

    Returns:
        Two tensors (p, f, h', w').
    """
    kept: list[Tensor] = []
    handle = layer.register_forward_hook(lambda *call: kept.append(call[2]))
    try:
        outputs = network(images.requires_grad_())
    finally:
        handle.remove()
    chosen = outputs.gather(1, classes[:, None]).sum()
    (gradients,) = torch.autograd.grad(chosen, kept[-1])
    return kept[-1].detach(), gradients


def enlarge(coarse: Tensor, shape: torch.Size) -> Tensor:
    """Coarse maps in the size of the images: the one rule for all methods.

    Bilinear interpolation between the centres of the coarse pixels, constant beyond the outer
    centres. Each coarse value is shared equally by the pixels and channels that it stands for.

    Args:
        coarse: (p, 1, h', w').
        shape: Shape of the images (p, c, h, w).
    """
    channels, height, width = shape[1:]
    fine = functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
    n_shared = channels * height * width / coarse[0, 0].numel()
    return (fine / n_shared).expand(-1, channels, -1, -1)
