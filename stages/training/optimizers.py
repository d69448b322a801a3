"""The optimiser and the learning-rate schedule that the parameters name."""

from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR

from stages.params.train import Train


def build_optimizer(network: nn.Module, options: Train, head: nn.Module | None = None) -> Optimizer:
    """The optimiser that `train.optimizer` names, of parameters that get gradients.

    Args:
        network: What is trained.
        options: Section `train` of `params.yaml`.
        head: The part of the network with a learning rate of its own if
            `train.head_learning_rate` is set.
    """
    parameters: Any = [weight for weight in network.parameters() if weight.requires_grad]
    if head is not None and options.head_learning_rate is not None:
        in_head = {id(weight) for weight in head.parameters()}
        body = [weight for weight in parameters if id(weight) not in in_head]
        own = [weight for weight in parameters if id(weight) in in_head]
        groups: list[dict[str, Any]] = [
            {"params": body},
            {"params": own, "lr": options.head_learning_rate},
        ]
        parameters = [group for group in groups if group["params"]]
    rate, decay = options.learning_rate, options.weight_decay
    if options.optimizer == "sgd":
        return SGD(parameters, rate, momentum=options.momentum, weight_decay=decay)
    optimizer = Adam if options.optimizer == "adam" else AdamW
    return optimizer(parameters, rate, weight_decay=decay, fused=True)


def build_schedule(optimizer: Optimizer, options: Train, n_steps: int) -> LRScheduler:
    """The learning-rate schedule that `train.schedule` names, over the steps of the run."""
    if options.schedule == "constant":
        return ConstantLR(optimizer, factor=1, total_iters=0)
    peaks = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(optimizer, peaks, total_steps=n_steps, cycle_momentum=False)
