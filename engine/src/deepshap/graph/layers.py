"""Changes a network's layers while it is exported, and changes them back."""

import contextlib
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn


@contextlib.contextmanager
def named_layers(network: nn.Module) -> Iterator[None]:
    """Register the layers that modules keep in a plain list `layers`, so that they have paths.

    Keras's models keep theirs so.
    """
    waiting, added = list(network.modules()), []
    known = set(waiting)
    for module in waiting:
        layers = getattr(module, "layers", None)
        for index, layer in enumerate(layers if isinstance(layers, list) else ()):
            name = str(getattr(layer, "name", index)).replace(".", "_")
            if isinstance(layer, nn.Module) and layer not in known and not hasattr(module, name):
                module._modules[name] = layer
                added.append((module, name))
                inside = list(layer.modules())
                known.update(inside)
                waiting += inside  # their layers, too
    try:
        yield
    finally:
        for module, name in added:
            del module._modules[name]


@contextlib.contextmanager
def recordable_layers(network: nn.Module) -> Iterator[None]:
    """Rewrite layers that compute in memory of their own, which `torch.export` cannot record."""
    changed = [
        module
        for module in network.modules()
        if isinstance(module, nn.CrossMapLRN2d)
        and type(module).forward is nn.CrossMapLRN2d.forward
        and "forward" not in vars(module)
    ]
    for module in changed:
        vars(module)["forward"] = partial(_cross_map_norm, module)
    try:
        yield
    finally:
        for module in changed:
            del vars(module)["forward"]


def _cross_map_norm(module: nn.CrossMapLRN2d, x: Tensor) -> Tensor:
    """What `nn.CrossMapLRN2d` computes: the first channel belongs to the window of each channel."""
    at = torch.arange(x.shape[1], device=x.device)
    near = (at[:, None] - at).abs() <= (module.size - 1) // 2
    windows = (near | (at == 0)).to(x.dtype)
    squares = torch.einsum("ij,njhw->nihw", windows, x * x)
    return x * (module.k + module.alpha / module.size * squares) ** -module.beta
