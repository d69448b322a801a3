"""Finds the convolutions that read the images directly, which have a faster backward pass."""

from torch import Tensor, fx

from deepshap.graph.program import Program, Step
from deepshap.multiplier import Multiplier
from deepshap.rules.first_layer import FirstConvolution
from deepshap.rules.linear import Convolution, Scale, Sum, Unchanged


def first_convolutions(program: Program) -> dict[fx.Node, FirstConvolution]:
    """The convolutions that read the images, shifted and scaled by channel at most."""
    image = program.source.meta["val"]
    found = {}
    for step in program.steps.values():
        rule = step.rule
        if (
            not isinstance(rule, Convolution)
            or rule.groups != 1
            or rule.call.inputs[0] != image.shape
        ):
            continue
        before: list[Step] = []
        node = step.inputs[0]
        while node in program.steps and len(node.users) == 1:
            before.append(program.steps[node])
            node = before[-1].inputs[0]
        if node is not program.source:
            continue
        scale = _scale(before, image.shape[1], rule.weight)
        if scale is not None:
            found[step.node] = FirstConvolution(rule, rule.weight * scale)
    return found


def _scale(before: list[Step], channels: int, weight: Tensor) -> Tensor | None:
    """The factor of each channel, if the steps only shift and scale channels, else None."""
    factor = weight.new_ones(1, channels, 1, 1)
    for step in before:
        if not isinstance(step.rule, Scale | Sum | Unchanged) or len(step.inputs) != 1:
            return None
        if step.rule.call.inputs[0] != step.rule.call.output:
            return None
        (one,) = step.rule.backward(Multiplier(weight.new_ones(1, 1, 1, 1, 1)), (), ())
        if one.dense().shape[2:] not in {(1, 1, 1), (channels, 1, 1)}:
            return None
        factor = factor * one.dense()[0]
    return factor
