"""Logits (n, k) from whatever a classifier returns."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

_ACTIVATIONS = {"SoftmaxBackward0": "softmax", "SigmoidBackward0": "sigmoid"}
_RESHAPING = ("View", "UnsafeView", "ReshapeAlias", "Squeeze", "Select", "Clone", "ToCopy")


def logits_of(output: Any, n_classes: int, multiple: bool = False) -> Tensor | None:
    """The logits in a network's output, (n, n_classes); None if it has none.

    Args:
        output: A tensor, or a tuple, dictionary or dataclass with tensors: its `logits`, or else
            the first tensor that has the shape of logits. Accepted shapes are (n, k),
            (n, k, 1, 1) and, for two classes, one logit (n, 1) or (n,) of the second class, whose
            probability is its sigmoid: the logits are then (0, z).
        n_classes: Number of classes of the data set.
        multiple: Whether an image may have several labels; each needs its own logit.
    """
    chosen = _logits_in(output, n_classes, multiple)
    if chosen is None or chosen.shape[1] == n_classes:
        return chosen
    # A product and no cat, since the explorer page has no other way to write (0, z).
    return linear(chosen, chosen.new_tensor([[0.0], [1.0]]))


def has_one_logit(output: Any, n_classes: int, multiple: bool = False) -> bool:
    """Whether an output has one logit for two classes; the arguments are those of `logits_of`."""
    chosen = _logits_in(output, n_classes, multiple)
    return chosen is not None and chosen.shape[1] < n_classes


def returns_logits(network: nn.Module, n_classes: int, multiple: bool = False) -> None:
    """Make a network return its logits instead of a structure that contains them.

    The hook leaves the network's modules, and so the names of its weights, as they are.
    """
    network.register_forward_hook(lambda _, __, output: logits_of(output, n_classes, multiple))


def final_activation(network: nn.Module, images: Tensor) -> str:
    """`softmax` or `sigmoid` if that is the last operation of a network, else "".

    Args:
        network: What a file in `stages/architectures/` builds; its parameters are untouched.
        images: A few standardised images (n, c, h, w).
    """
    try:
        with torch.enable_grad():
            copy = images.detach().requires_grad_().clone()  # networks may change it in place
            output = network.forward(copy)  # without our own hook
    except Exception:  # networks are user code: any exception; the explainer reports it
        return ""
    for tensor in _tensors(output):
        node = tensor.grad_fn
        while node is not None and node.name().removesuffix("Backward0") in _RESHAPING:
            node = node.next_functions[0][0]
        if node is not None and node.name() in _ACTIVATIONS:
            return _ACTIVATIONS[node.name()]
    return ""


def _logits_in(output: Any, n_classes: int, multiple: bool) -> Tensor | None:
    """The first tensor with the shape of logits, as (n, k) or (n, 1)."""
    one_logit = n_classes == 2 and not multiple
    found = (_as_logits(tensor, n_classes, one_logit) for tensor in _tensors(output))
    return next((logits for logits in found if logits is not None), None)


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
        return
    if dataclasses.is_dataclass(output):
        output = vars(output)
    if isinstance(output, Mapping):
        values = [output["logits"]] if "logits" in output else list(output.values())
    elif isinstance(output, tuple | list):
        values = [output.logits] if hasattr(output, "logits") else list(output)
    else:
        values = []
    for value in values:
        if isinstance(value, Tensor):
            yield value


def _as_logits(tensor: Tensor, n_classes: int, one_logit: bool) -> Tensor | None:
    if tensor.ndim == 4 and tensor.shape[2:] == (1, 1):
        tensor = tensor.flatten(1)
    if tensor.ndim == 2 and tensor.shape[1] == n_classes:
        return tensor
    if one_logit and (tensor.ndim == 1 or (tensor.ndim == 2 and tensor.shape[1] == 1)):
        return tensor.reshape(-1, 1)
    return None
