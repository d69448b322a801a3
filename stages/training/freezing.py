"""Which entries of a network stay as they are, and which layer is its head."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from stages.artifacts.splits import DatasetInfo
from stages.base.errors.user import UserError
from stages.networks.build import Classifier, as_published
from stages.params.train import ALL_BUT_HEAD, Freeze, Train
from stages.training.initial.weight_names import listed, matches


def require_trainable(network: Classifier) -> None:
    """Reject a network of which nothing can be trained.

    Raises:
        UserError: It has no parameters, or all of them are frozen.
    """
    if not any(weight.requires_grad for weight in network.parameters()):
        unfreeze = "leave requires_grad of some parameters as it is"
        if network.file.suffix == ".keras":
            unfreeze = "set model.trainable = True in Keras and save the file again"
        raise UserError(
            f"{network.file}: all of its layers are frozen, so nothing can be trained; set "
            f"train.epochs: 0 to use it as it is, or {unfreeze}"
        )


def find_head(network: nn.Sequential, info: DatasetInfo, options: Train) -> nn.Module | None:
    """The layer that yields the logits, if the parameters mention the head; otherwise None.

    It is the last layer with parameters to run whose output has a value for each class.

    Args:
        network: From `build_network`; left in eval mode.
        info: Has the shape of images, and the classes.
        options: Section `train` of `params.yaml`.

    Raises:
        UserError: No layer alone yields the logits.
    """
    if options.freeze != ALL_BUT_HEAD and options.head_learning_rate is None:
        return None
    body = as_published(network)
    n_classes = len(info.class_names)
    n_outputs = {n_classes, 1} if n_classes == 2 else {n_classes}
    run: dict[nn.Module, None] = {}  # an ordered set: the last to run is last

    def note(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor) and n_outputs & {*output.shape[1:2], *output.shape[2:][-1:]}:
            run.pop(module, None)
            run[module] = None

    layers = [module for module in body.modules() if any(True for _ in module.parameters())]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    device = next(network.parameters()).device
    with torch.no_grad():
        network.eval()(torch.zeros(1, info.channels, *info.image_size, device=device))
    for hook in hooks:
        hook.remove()
    innermost = [layer for layer in run if not run.keys() & {*layer.modules()} - {layer}]
    if not innermost or innermost[-1] is body:
        raise UserError(
            "train: no layer of the network yields the logits, so it has no head; set train.freeze "
            "to a list of patterns, and train.head_learning_rate to null"
        )
    return innermost[-1]


def freeze(network: nn.Sequential, options: Freeze, head: nn.Module | None) -> list[nn.Module]:
    """Exclude entries of a network from training: they get no gradients.

    Args:
        network: From `build_network`; changed in place.
        options: `train.freeze`: patterns of published names, or all but the head.
        head: From `find_head`.

    Returns:
        Modules to keep in eval mode during training, since they could otherwise change frozen
        running statistics, or drop features of a part whose entries are all frozen.

    Raises:
        UserError: A pattern matches nothing, or nothing is left to train.
    """
    if not options:
        return []
    body = as_published(network)
    entries = body.state_dict(keep_vars=True)
    frozen = _frozen(entries, options, head)
    for name in frozen:
        entries[name].requires_grad_(False)
    trained = [name for name, entry in entries.items() if entry.requires_grad]
    if not trained:
        raise UserError(
            f"train.freeze: freezes all entries of the network (got {options}); leave some out, or "
            "set train.epochs: 0"
        )
    n_trained = sum(weight.numel() for weight in body.parameters() if weight.requires_grad)
    print(f"train.freeze: {n_trained:,} parameters are trained: {listed(trained)}")
    return [
        module
        for path, module in body.named_modules()
        if _is_still(f"{path}." if path else "", module, entries, frozen)
    ]


def _frozen(entries: Mapping[str, Tensor], options: Freeze, head: nn.Module | None) -> set[str]:
    if head is not None and options == ALL_BUT_HEAD:
        trained = {id(entry) for entry in head.state_dict(keep_vars=True).values()}
        return {name for name, entry in entries.items() if id(entry) not in trained}
    for pattern in options:
        if not any(matches(name, [pattern]) for name in entries):
            raise UserError(
                f"train.freeze: {pattern} matches no entry of the network; entries are "
                f"{listed(list(entries))}"
            )
    return {name for name in entries if matches(name, list(options))}


def _is_still(
    path: str, module: nn.Module, entries: Mapping[str, Tensor], frozen: set[str]
) -> bool:
    """Whether a running statistic of the module is frozen, or everything in it."""
    inside = {name for name in entries if name.startswith(path)}
    statistics = {f"{path}{name}" for name, _ in module.named_buffers(recurse=False)}
    return bool(statistics & frozen) or (bool(inside) and inside <= frozen)
