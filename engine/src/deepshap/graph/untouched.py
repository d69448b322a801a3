"""Leaves a network as it was, whatever its forward pass and its hooks write to."""

import contextlib
import copy
import types
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

_CONTAINERS = (dict, OrderedDict, defaultdict, list, set, deque)
"""Not their subclasses, whose methods may do anything."""


@contextlib.contextmanager
def untouched(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Run a network without gradients and autocast, and undo what its runs changed.

    Restores the attributes of its modules, the contents of all lists, dictionaries, sets and
    variables that its modules, functions and hooks refer to, the values of its buffers, the memory
    that its weights are in, and the state of random numbers. `torch.export` would otherwise replace
    containers by copies, and leave fake tensors in them.

    Args:
        network: The network.
        device: Where it computes.
    """
    undo = [_undo(found) for found in _reachable(network)]
    tensors = {id(tensor): (tensor, tensor.clone()) for tensor in _written_tensors(network)}
    weights = [(weight, weight.data) for weight in network.parameters()]
    try:
        with torch.random.fork_rng(devices=[]), without_autocast(device):
            yield
    finally:
        for restore in undo:
            restore()
        for tensor, before in tensors.values():
            if not torch.equal(tensor, before):
                tensor.copy_(before)
        for weight, data in weights:
            if weight.data_ptr() != data.data_ptr():  # a forward pass assigned `weight.data`
                weight.data = data


@contextlib.contextmanager
def without_autocast(device: torch.device) -> Iterator[None]:
    """Compute in the dtype of the network, without gradients, whatever the caller has set."""
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        yield


def _written_tensors(network: nn.Module) -> Iterator[Tensor]:
    """Buffers and other tensors of modules, which a forward pass may write to."""
    for module in network.modules():
        for value in (*module._buffers.values(), *vars(module).values()):
            if isinstance(value, Tensor):
                yield value


def _reachable(network: nn.Module) -> list[Any]:
    """The containers, variables and functions that a network refers to, however far away."""
    found: dict[int, Any] = {}
    waiting: list[Any] = [network]
    while waiting:
        value = waiting.pop()
        children = () if id(value) in found else tuple(_children(value))
        if children or type(value) in _CONTAINERS:
            found[id(value)] = value
            waiting += children
    return list(found.values())


def _children(value: Any) -> Iterable[Any]:
    """What a value refers to; nothing where it is PyTorch's own, apart from modules."""
    if type(value) in _CONTAINERS or isinstance(value, tuple):
        return value.values() if isinstance(value, dict) else value
    if isinstance(value, nn.Module):
        return vars(value), type(value)
    if isinstance(value, types.CellType):
        return _contents(value)
    if isinstance(value, Tensor | types.ModuleType) or _is_known(value):
        return ()
    if isinstance(value, type):
        return [x for kind in value.__mro__ if not _is_known(kind) for x in vars(kind).values()]
    if isinstance(value, types.FunctionType):
        named = [x for x in _globals_of(value).values() if type(x) in _CONTAINERS]
        return *(value.__closure__ or ()), *named
    if isinstance(value, types.MethodType | staticmethod | classmethod):
        return value.__func__, getattr(value, "__self__", None)
    if isinstance(value, partial):
        return value.func, value.args, value.keywords
    attributes = getattr(value, "__dict__", None)
    return [attributes] if isinstance(attributes, dict) else ()


def _undo(value: Any) -> Callable[[], None]:
    """Records what a value holds; returns a function that restores it."""
    if type(value) in _CONTAINERS:
        return partial(_restore, value, copy.copy(value))
    if isinstance(value, types.CellType):
        return partial(_restore_cell, value, _contents(value))
    if isinstance(value, types.FunctionType):
        return partial(value.__globals__.update, _globals_of(value))
    return lambda: None


def _restore(container: Any, before: Any) -> None:
    if _identities(container) != _identities(before):
        container.clear()
        (container.extend if isinstance(container, list | deque) else container.update)(before)


def _identities(container: Any) -> list[int]:
    values = container.values() if isinstance(container, dict) else ()
    return [id(x) for x in (*container, *values)]


def _contents(cell: types.CellType) -> list[Any]:
    """The value of a variable of an enclosing function; none if it has not been assigned yet."""
    try:
        return [cell.cell_contents]
    except ValueError:
        return []


def _restore_cell(cell: types.CellType, before: list[Any]) -> None:
    if before:
        cell.cell_contents = before[0]


def _globals_of(function: types.FunctionType) -> dict[str, Any]:
    """The global variables that a function names."""
    names = function.__code__.co_names
    return {name: function.__globals__[name] for name in names if name in function.__globals__}


def _is_known(value: Any) -> bool:
    """Whether a function, a class or an instance is PyTorch's or Python's own."""
    module = str(getattr(value, "__module__", None) or type(value).__module__)
    return module.partition(".")[0] in ("torch", "builtins")
