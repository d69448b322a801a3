"""The optimiser and the learning-rate schedule that the parameters name."""

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR

from stages.params.train import Train


def build_optimizer(network: nn.Module, options: Train) -> Optimizer:
    """The optimiser that `train.optimizer` names."""
    parameters = [weight for weight in network.parameters() if weight.requires_grad]
    rate, decay = options.learning_rate, options.weight_decay
    if options.optimizer == "sgd":
        return SGD(parameters, rate, momentum=options.momentum, weight_decay=decay)
    optimizer = Adam if options.optimizer == "adam" else AdamW
    return optimizer(parameters, rate, weight_decay=decay, fused=True)


def build_schedule(optimizer: Optimizer, options: Train, n_steps: int) -> LRScheduler:
    """The learning-rate schedule that `train.schedule` names, over the steps of the run."""
    if options.schedule == "constant":
        return ConstantLR(optimizer, factor=1, total_iters=0)
    return OneCycleLR(optimizer, options.learning_rate, total_steps=n_steps, cycle_momentum=False)
