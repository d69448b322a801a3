"""Layer-wise relevance propagation; captum's `LRP`.

The gamma rule in all convolutions but the first, the epsilon rule (tiny) in other layers; the
standardising first layer passes relevance on unchanged.

Source: Bach et al. 2015, doi:10.1371/journal.pone.0130140; which rule where, Montavon et al. 2019,
doi:10.1007/978-3-030-28954-6_10.
"""

import copy

import torch
from torch import Tensor, nn

from stages.base.errors.user import UserError
from stages.explainers.base.captum_extra import captum, lrp_rules
from stages.explainers.base.contract import Attribute
from stages.explainers.base.one_by_one import one_by_one
from stages.networks.build import Standardize, source_location

VALUES = (
    "share of the output itself that is traced back to the pixel: output units per pixel; they "
    "sum to the output without what the biases of the layers absorb, not to its change"
)
ADDS_UP = False

GAMMA = 0.25
_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
_EPSILON = (nn.Linear, nn.Conv2d, nn.BatchNorm2d, *_POOLS, nn.Flatten, nn.Identity)
_NO_RULE = (nn.ReLU, nn.Tanh, nn.Dropout)  # captum passes relevance through them


def build(network: nn.Module, background: Tensor, seed: int) -> Attribute:
    """Prepare the method on a copy of the network, since captum changes weights for a while.

    Raises:
        UserError: The network is not a chain of layers that captum has a rule for; names the layer.
    """
    chain = copy.deepcopy(network)
    layers = _layers_of_chain(chain, background[:1])

    def map_each(images: Tensor, classes: Tensor) -> Tensor:
        _attach_rules(layers)  # again, since captum removes them after each call
        relevance: Tensor = captum.LRP(chain).attribute(images.requires_grad_(), target=classes)
        return relevance

    return one_by_one(map_each)


def _attach_rules(layers: list[nn.Module]) -> None:
    first = next((layer for layer in layers if type(layer) is nn.Conv2d), None)
    for layer in layers:
        rule = None
        if type(layer) is Standardize:
            rule = lrp_rules.IdentityRule()
        elif type(layer) is nn.Conv2d and layer is not first:
            rule = lrp_rules.GammaRule(GAMMA)
        elif type(layer) in _EPSILON:
            rule = lrp_rules.EpsilonRule()
        if rule is not None:
            layer.rule = rule


def _layers_of_chain(network: nn.Module, image: Tensor) -> list[nn.Module]:
    """The layers in the order of their calls, each of which gets what the one before returns.

    Raises:
        UserError: There are other operations between layers, which captum would overlook.
    """
    names = {module: name for name, module in network.named_modules()}
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []
    handles = [
        module.register_forward_hook(
            lambda layer, given, output: calls.append((layer, given[0].clone(), output.clone()))
        )
        for module in names
        if not list(module.children())
    ]
    try:
        with torch.no_grad():
            output = network(image)
    finally:
        for handle in handles:
            handle.remove()
    before = image
    for layer, given, returned in calls:
        where = source_location(network, f"{names[layer]} ({type(layer).__name__})")
        if type(layer) not in (Standardize, *_EPSILON, *_NO_RULE):
            raise _refusal(where, "captum has no rule for this layer")
        if not _same(before, given):
            raise _refusal(where, "is not given exactly what the layer before it returns")
        before = returned
    if not _same(before, output):
        where = source_location(network, type(network).__name__)
        raise _refusal(where, "does not return exactly what its last layer does")
    return [layer for layer, _, _ in calls]


def _same(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors have the same values, whatever their shapes."""
    return torch.equal(first.flatten(), second.flatten())


def _refusal(where: str, reason: str) -> UserError:
    return UserError(
        f"{where}: {reason}, so relevance would be wrong; layer-wise relevance propagation needs a "
        "chain of layers that are modules; choose another method"
    )
