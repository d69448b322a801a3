"""From a network to steps that have rules, or a refusal that says what to change."""

from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from deepshap.graph.arguments import call_of
from deepshap.graph.constants import Constants
from deepshap.graph.export import UnsupportedOperation, exported, name_of, place_of
from deepshap.graph.simplification import simplify
from deepshap.precision import Activation, Precision
from deepshap.rules.base import Rule, Saved
from deepshap.rules.composition import composed
from deepshap.rules.elementwise import Softmax
from deepshap.rules.linear import Dense
from deepshap.rules.softmax import InnerSoftmax
from deepshap.rules.table import ADVICE, OPERATIONS


@dataclass(frozen=True)
class Step:
    """One operation that depends on the images.

    Attributes:
        node: Of the exported graph; stands for the operation's output.
        rule: How to compute it and to go back through it.
        inputs: The nodes that it reads and that depend on the images, in order.
    """

    node: fx.Node
    rule: Rule
    inputs: tuple[fx.Node, ...]


@dataclass(frozen=True)
class Tile:
    """What a forward pass of some images leaves behind.

    Attributes:
        images: (n, c, h, w).
        outputs: (n, k), in the precision of the forward pass.
        saved: For each step what its rule needs on the way back.
    """

    images: Tensor
    outputs: Tensor
    saved: dict[fx.Node, Saved]

    def __len__(self) -> int:
        return len(self.images)

    def n_bytes(self) -> int:
        """Memory of what is saved, each tensor counted once."""
        unique = {
            tensor.data_ptr(): tensor.nbytes for saved in self.saved.values() for tensor in saved
        }
        return sum(unique.values())

    def part(self, some: slice) -> "Tile":
        """Some of the images, without copying."""
        saved = {node: tuple(t[some] for t in kept) for node, kept in self.saved.items()}
        return Tile(self.images[some], self.outputs[some], saved)


def joined(tiles: list[Tile]) -> Tile:
    """One tile of the images of many."""
    saved = {
        node: tuple(map(torch.cat, zip(*(tile.saved[node] for tile in tiles), strict=True)))
        for node in tiles[0].saved
    }
    images = torch.cat([tile.images for tile in tiles])
    return Tile(images, torch.cat([tile.outputs for tile in tiles]), saved)


class Program:
    """A network whose every operation has a rule. It leaves the network as it is.

    Args:
        network: In eval mode.
        image: One, (1, c, h, w).

    Attributes:
        source: The node of the images.
        sink: The node of the outputs.
        steps: In the order they run, by their nodes.
        widest: The most numbers that one step reads and writes for one image.

    Raises:
        UnsupportedOperation: The network cannot be exported, or holds an operation without a rule.
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
            if node.op == "call_function" and not _checks(node) and not self._constants.fold(node):
                self._add(node)
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

    def run(self, images: Tensor) -> Tile:
        """Compute the outputs of (n, c, h, w) images, and keep what the way back needs.

        Computes in float64 where the device has it, and keeps in the images' dtype.
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
        return Tile(images, values[self.sink].wide, saved)

    def _add(self, node: fx.Node) -> None:
        """Give a node its rule."""
        rule_of = OPERATIONS.get(name_of(node))
        if rule_of is None:
            advice = "no rule for it; use an operation that has one"
            raise self._refusal(node, ADVICE.get(name_of(node), advice))
        if not isinstance(node.meta["val"], Tensor):
            return  # a tuple, whose parts are steps of their own
        call, inputs = call_of(node, self._constants, self._zero)
        try:
            rule = rule_of(call)
            if node is self.sink and isinstance(rule, InnerSoftmax) and len(node.users) == 1:
                rule = Softmax(call)
        except NotImplementedError as error:
            raise self._refusal(node, str(error)) from error
        self.steps[node] = Step(node, rule, inputs)

    def _compose(self, last: Step) -> None:
        """Make one step of a linear layer and the linear steps before it."""
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
        return UnsupportedOperation(name_of(node), place_of(node, self._network), advice)


def _checks(node: fx.Node) -> bool:
    """Whether a node only checks what export has made sure of."""
    return name_of(node).startswith("_assert")
