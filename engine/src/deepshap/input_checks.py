"""Checks of the arguments of `DeepShap`, each with a message that says what to do."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def check_network(network: nn.Module) -> None:
    """Require eval mode of all modules."""
    training = [name or "the network" for name, m in network.named_modules() if m.training]
    if training:
        raise ValueError(f"network: {training[0]} is in training mode; call network.eval() first")


def check_background(background: Tensor) -> None:
    """Require at least one floating-point image, (b, c, h, w)."""
    if background.ndim != 4 or 0 in background.shape:
        raise ValueError(
            f"background: has the shape {tuple(background.shape)}, expected (b, c, h, w) with at "
            "least one image"
        )
    if not background.is_floating_point():
        raise ValueError(f"background: is {background.dtype}; call background.float() first")


def check_images(images: Tensor, background: Tensor) -> None:
    """Require the background's shape, except for the number of images, and its dtype."""
    if images.ndim != 4 or images.shape[1:] != background.shape[1:]:
        raise ValueError(
            f"images: have the shape {tuple(images.shape)}, expected (n, "
            f"{', '.join(map(str, background.shape[1:]))}) as the background"
        )
    if images.dtype != background.dtype:
        raise ValueError(
            f"images: are {images.dtype}, the background is {background.dtype}; "
            f"call images.to({background.dtype}) first"
        )


def chosen_outputs(outputs: Sequence[int] | Tensor | None, n_images: int, n_outputs: int) -> Tensor:
    """The outputs to explain: (n, k) if each image has its own, else (1, k)."""
    chosen = torch.as_tensor(range(n_outputs) if outputs is None else outputs).cpu()
    if chosen.numel() == 0 and n_images > 0:
        raise ValueError("outputs: is empty; name at least one, or pass None for all")
    if chosen.is_floating_point() or chosen.dtype == torch.bool:
        raise ValueError(f"outputs: is {chosen.dtype}, expected integers")
    if chosen.ndim != 1 and (chosen.ndim != 2 or len(chosen) != n_images):
        raise ValueError(
            f"outputs: has the shape {tuple(chosen.shape)}, expected (k,), or ({n_images}, k) for "
            "the outputs of each image"
        )
    for output in chosen.flatten().tolist():
        if not 0 <= output < n_outputs:
            raise ValueError(f"outputs: {output} is not among 0 to {n_outputs - 1}")
    return chosen if chosen.ndim == 2 else chosen[None]
