"""Checks of the arguments of `DeepShap`, each with a message that says what to do."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.parameter import is_lazy

from deepshap.graph.export import SCRIPTED, UnsupportedOperation


def check_network(network: nn.Module) -> None:
    """Require a module in eval mode whose weights have values, and that `torch.export` can read.

    Raises:
        ValueError: It is something else, or not ready.
        UnsupportedOperation: A part of it is compiled or quantised.
    """
    if isinstance(network, torch.export.ExportedProgram):
        raise ValueError(
            "network: expected a torch.nn.Module, got ExportedProgram; pass program.module()"
        )
    if not isinstance(network, nn.Module):
        raise ValueError(f"network: expected a torch.nn.Module, got {type(network).__name__}")
    _check_readable(network)
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if is_lazy(tensor):
            raise ValueError(f"network: {name} has no shape yet; call network(images) once first")
        if tensor.is_meta:
            raise ValueError(f"network: {name} is on the device meta; load its values first")
    fixed = {
        inner for module in network.modules() if _is_exported(module) for inner in module.modules()
    }
    for name, module in network.named_modules():
        if module.training and module not in fixed:
            # Modules of torch.export have no eval(), nor have those that contain one.
            call = "set its attribute training to False" if fixed else "call network.eval()"
            where = name or "the network"
            raise ValueError(f"network: {where} is in training mode; {call} first")


def _check_readable(network: nn.Module) -> None:
    """Refuse modules whose code or weights `torch.export` cannot read."""
    for path, module in network.named_modules():
        kind = type(module)
        place = f"{path} ({kind.__name__})" if path else f"{kind.__name__}.forward"
        if isinstance(module, torch.jit.ScriptModule):
            raise UnsupportedOperation("forward", place, SCRIPTED)
        if "quantized" in kind.__module__.split("."):
            advice = "it computes with quantised weights; use the network before its quantisation"
            raise UnsupportedOperation("forward", place, advice)


def _is_exported(module: nn.Module) -> bool:
    """Whether a module was made by `torch.export`; `training` says nothing about its operations."""
    return isinstance(module, fx.GraphModule) and "eval" in vars(module)


def check_background(background: Tensor) -> None:
    """Require finite floating-point images (b, c, h, w), or volumes (b, c, d, h, w)."""
    _check_tensor("background", background)
    if background.ndim not in {4, 5} or 0 in background.shape:
        raise ValueError(
            f"background: has the shape {tuple(background.shape)}, expected (b, c, h, w), or "
            "(b, c, d, h, w) for volumes, with at least one image"
        )
    if not background.is_floating_point():
        raise ValueError(f"background: is {background.dtype}; call background.float() first")
    if not bool(background.isfinite().all()):
        raise ValueError("background: has pixels that are infinite or NaN")


def check_images(images: Tensor, background: Tensor) -> None:
    """Require the background's shape, except for the number of images, and its dtype."""
    _check_tensor("images", images)
    if images.shape[1:] != background.shape[1:]:
        raise ValueError(
            f"images: have the shape {tuple(images.shape)}, expected (n, "
            f"{', '.join(map(str, background.shape[1:]))}) as the background"
        )
    if images.dtype != background.dtype:
        raise ValueError(
            f"images: are {images.dtype}, the background is {background.dtype}; "
            f"call images.to({background.dtype}) first"
        )


def _check_tensor(name: str, value: Any) -> None:
    if isinstance(value, Tensor):
        if value.is_meta or value.layout != torch.strided:
            kind = "the device meta" if value.is_meta else f"the layout {value.layout}"
            raise ValueError(f"{name}: has {kind}, expected a dense tensor with values")
        return
    advice = ""
    if isinstance(value, Sequence) and value and isinstance(value[0], Tensor):
        advice = f"; pass torch.stack({name})"
    elif hasattr(value, "__len__"):
        advice = f"; pass torch.tensor({name})"
    raise ValueError(f"{name}: expected a tensor, got {type(value).__name__}{advice}")


def chosen_outputs(outputs: Sequence[int] | Tensor | None, n_images: int, n_outputs: int) -> Tensor:
    """The outputs to explain: (n, k) if each image has its own, else (1, k)."""
    try:
        chosen = torch.as_tensor(range(n_outputs) if outputs is None else outputs).cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"outputs: expected integers ({error})") from None
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
