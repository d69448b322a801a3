"""Turns a network into steps that all have rules, or refuses it and says what to change."""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from deepshap.graph.constants import Constants
from deepshap.graph.export import (
    OTHER_ADVICE,
    UnsupportedOperation,
    exported,
    module_path_of,
    name_of,
    reason_of,
)
from deepshap.graph.node_to_call import call_from_node
from deepshap.graph.simplification import simplify
from deepshap.precision import Activation, Precision
from deepshap.rules.base import Rule, Saved
from deepshap.rules.composition import composed
from deepshap.rules.elementwise import Softmax
from deepshap.rules.linear import Dense
from deepshap.rules.softmax import InnerSoftmax
from deepshap.rules.table import ADVICE, OPERATIONS

_WORTH_SKIPPING = 0.8
"""Share of positions that change, above which looking where costs more than it saves."""


@dataclass(frozen=True)
class Step:
    """One operation that depends on the images.

    Attributes:
        node: The node of the exported graph that stands for the operation's output.
        rule: Computes the operation and its backward pass.
        inputs: The nodes it reads that depend on the images, in order.
    """

    node: fx.Node
    rule: Rule
    inputs: tuple[fx.Node, ...]


@dataclass(frozen=True)
class Batch:
    """Images with the activations that their forward pass saved.

    Attributes:
        images: (n, c, h, w).
        outputs: (n, k), in the dtype of the forward pass.
        saved: For each step, the tensors that its rule needs in the backward pass.
    """

    images: Tensor
    outputs: Tensor
    saved: dict[fx.Node, Saved]

    def __len__(self) -> int:
        return len(self.images)

    def n_bytes(self) -> int:
        """Memory of the saved tensors, each counted once."""
        unique = {
            tensor.data_ptr(): tensor.nbytes for saved in self.saved.values() for tensor in saved
        }
        return sum(unique.values())

    def __getitem__(self, selection: slice) -> "Batch":
        saved = {node: tuple(t[selection] for t in kept) for node, kept in self.saved.items()}
        return Batch(self.images[selection], self.outputs[selection], saved)


def concatenated(batches: list[Batch]) -> Batch:
    """One batch with the images of several."""
    if len(batches) == 1:
        return batches[0]
    saved = {
        node: tuple(map(torch.cat, zip(*(batch.saved[node] for batch in batches), strict=True)))
        for node in batches[0].saved
    }
    images = torch.cat([batch.images for batch in batches])
    return Batch(images, torch.cat([batch.outputs for batch in batches]), saved)


class Program:
    """A network whose operations all have rules. The network itself is not changed.

    Args:
        network: A network in eval mode.
        image: One image, (1, c, h, w).

    Attributes:
        source: The node of the images.
        sink: The node of the outputs.
        steps: The steps by node, in the order they run.
        widest: The most numbers that one step reads and writes for one image.

    Raises:
        UnsupportedOperation: The network cannot be exported, or an operation has no rule.
    """

    def __init__(self, network: nn.Module, image: Tensor) -> None:
        self._network = network
        program = exported(network, image)
        simplify(program)
        self.source, self.sink = program.source, program.sink
        self._zero = image.new_zeros(())
        self._constants = Constants(program.tensors, Precision(image))
        self.steps: dict[fx.Node, Step] = {}
        for node in program.graph.nodes:
            if node.op != "call_function":
                continue
            try:
                if not self._constants.fold(node):
                    self._add(node)
            except UnsupportedOperation:
                raise
            except NotImplementedError as error:
                raise self._refusal(node, str(error)) from error
            except Exception as error:  # a use of the operation that its rule does not know
                advice = f"no rule for this use of it ({reason_of(error)}); {OTHER_ADVICE}"
                raise self._refusal(node, advice) from error
        if self.sink not in self.steps:
            raise self._refusal(self.sink, "the output does not depend on the images")
        for step in list(self.steps.values()):
            if isinstance(step.rule, Dense) and step.node is not self.sink:
                self._compose(step)
        self._last_reader = {node: step for step in self.steps.values() for node in step.inputs}
        self.widest: int = max(
            sum(node.meta["val"].numel() for node in (step.node, *step.inputs))
            for step in self.steps.values()
        )

    def run(self, images: Tensor) -> Batch:
        """Compute the outputs of (n, c, h, w) images, and save what the backward pass needs.

        Computes in float64 where the device has it, and saves in the images' dtype.
        """
        precision = Precision(images)
        values = {self.source: Activation(precision.widened(images), precision)}
        saved: dict[fx.Node, Saved] = {}
        for node, step in self.steps.items():
            inputs = [values[read] for read in step.inputs]
            values[node], saved[node] = step.rule.forward(*inputs)
            for read in step.inputs:
                if self._last_reader[read] is step:
                    values.pop(read, None)
        return Batch(images, values[self.sink].wide, saved)

    def changed(self, images: Tensor, background: Tensor) -> dict[fx.Node, Tensor]:
        """Where the activations of pairs depend on a pixel that differs.

        Multipliers elsewhere are not needed: they only reach pixels whose change is 0.

        Args:
            images: (n, c, h, w).
            background: (b, c, h, w).

        Returns:
            (n * b, h, w) by node. Where a node is missing, its activation may change everywhere.
        """
        if images.ndim != 4:
            return {}
        x, b = (side.permute(1, 2, 3, 0).contiguous() for side in (images, background))
        differ = functools.reduce(torch.bitwise_or, x[..., None] != b[..., None, :]).flatten(2)
        found = {self.source: differ} if _is_worth_skipping(differ) else {}
        for node, step in self.steps.items() if found else ():
            inputs = [found.get(read) for read in step.inputs]
            changed = step.rule.changed(inputs)
            if changed is not None and (changed is inputs[0] or _is_worth_skipping(changed)):
                found[node] = changed
        return {node: changed.permute(2, 0, 1) for node, changed in found.items()}

    def _add(self, node: fx.Node) -> None:
        """Make a step of a node."""
        rule_of = OPERATIONS.get(name_of(node))
        if rule_of is None:
            advice = "no rule for it; use an operation that has one"
            raise self._refusal(node, ADVICE.get(name_of(node), advice))
        if not isinstance(node.meta["val"], Tensor):
            return  # a tuple; the nodes that pick its items become steps
        call, inputs = call_from_node(node, self._constants, self._zero)
        rule = rule_of(call)
        if node is self.sink and isinstance(rule, InnerSoftmax) and len(node.users) == 1:
            rule = Softmax(call)
        self.steps[node] = Step(node, rule, inputs)

    def _compose(self, last: Step) -> None:
        """Merge a linear layer and the linear steps before it into one step."""
        chain = [last]
        while before := self.steps.get(chain[0].inputs[0]):
            if len(before.inputs) > 1 or len(before.node.users) > 1:
                break
            chain.insert(0, before)
        found = composed([step.rule for step in chain])
        if found is None:
            return
        rule, count = found
        for step in chain[-count:-1]:
            del self.steps[step.node]
        self.steps[last.node] = Step(last.node, rule, chain[-count].inputs)

    def _refusal(self, node: fx.Node, advice: str) -> UnsupportedOperation:
        return UnsupportedOperation(name_of(node), module_path_of(node, self._network), advice)


def _is_worth_skipping(changed: Tensor) -> bool:
    """Whether enough positions do not change."""
    return bool(changed.count_nonzero() < _WORTH_SKIPPING * changed.numel())
