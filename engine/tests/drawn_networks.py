"""Draws small networks of any operation of the table, with arguments of any kind its schema allows.

Most arguments do not fit each other: PyTorch's own refusals are drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import torch
from torch import Tensor, nn

from deepshap.rules.table import OPERATIONS

SHAPE = (2, 4, 4)
F64 = torch.float64
TRIES = 300

Pick = Callable[[Random], Any]


class Varying:
    """Stands for an activation: the network's current value, changed."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        self.of = change


VARYING = [
    *3 * [Varying(lambda x: x)],
    Varying(lambda x: x.flip(-1)),
    Varying(lambda x: x.abs() + 0.5),
    Varying(lambda x: x.relu()),
    Varying(lambda x: x.flatten(1)),
    Varying(lambda x: x.flatten(2)),
    Varying(lambda x: x.unsqueeze(1)),
    Varying(lambda x: x.mean((1, 2, 3), keepdim=True)),
    Varying(lambda x: x > 0.1),
]
SIZES = [(), (1,), (2,), (4,), (32,), (4, 4), (3, 32), (2, 1, 1), (2, 4, 4), (1, 2, 4, 4)]
KERNELS = [(3, 2, 2), (3, 2, 2, 2), (2, 1, 3, 3), (2, 3, 2, 2), (3, 1, 2, 2, 2)]
NUMBERS = [-1.5, -1, 0, 0.5, 1, 2, 2.5, 3]
SIDES = [[1], [2], [3], [1, 1], [1, 2], [2, 2], [3, 2], [0, 1], [0, 0, 1, 1], [2, 2, 2], [1, -1]]


def constant(sizes: Sequence[tuple[int, ...]]) -> Pick:
    def pick(random: Random) -> Tensor:
        generator = torch.Generator().manual_seed(random.randrange(1000))
        values = torch.randn(random.choice(sizes), generator=generator, dtype=F64)
        return random.choice([values, values, values.abs() + 0.2, values > 0])

    return pick


def index(random: Random) -> Tensor:
    size = random.choice([(1,), (2,), (3,), (1, 2, 4, 4), (1, 1, 1, 1)])
    return torch.tensor([random.randrange(2) for _ in range(torch.Size(size).numel())]).view(size)


def one_of(*picks: Pick) -> Pick:
    return lambda random: random.choice(picks)(random)


def among(values: Sequence[Any]) -> Pick:
    return lambda random: random.choice(values)


def several(pick: Pick, sizes: Sequence[int]) -> Pick:
    return lambda random: [pick(random) for _ in range(random.choice(sizes))]


TENSOR = one_of(among(VARYING), among(VARYING), constant(SIZES))
TYPES: dict[str, Pick] = {
    "Tensor": TENSOR,
    "List[Tensor]": several(TENSOR, [2]),
    "List[Optional[Tensor]]": several(one_of(among([None]), index), [2, 3]),
    "number": among(NUMBERS),
    "float": among(NUMBERS),
    "int": among([-1, 0, 1, 2, 3]),
    "bool": among([False, True]),
    "List[int]": among(SIDES),
    "List[float]": among([[2.0], [2.0, 2.0], [0.5, 1.5]]),
}
NAMES: dict[str, Pick] = {
    "input": among(VARYING),
    "weight": one_of(constant(KERNELS), constant(SIZES), among(VARYING)),
    "index": index,
    "condition": one_of(among([VARYING[-1]]), constant(SIZES)),
    "mask": one_of(among([VARYING[-1]]), constant(SIZES)),
}
LEFT = {"generator", "dtype", "layout", "device", "pin_memory", "train", "training"}


def functions(name: str) -> list[Any]:
    """The overloads of a name that return new tensors, made of tensors."""
    packet = getattr(torch.ops.aten, name, None)
    found = [getattr(packet, each) for each in packet.overloads()] if packet else []
    return [each for each in found if is_function(each._schema)]


def is_function(schema: Any) -> bool:
    kinds = [str(argument.type) for argument in schema.arguments]
    named = any(kind in {"str", "List[str]"} or "Dimname" in kind for kind in kinds)
    makes = bool(schema.returns) and "Tensor" in str(schema.returns[0].type)
    return not (schema.is_mutable or named) and makes and any("Tensor" in kind for kind in kinds)


ALL = {name: found for name in sorted(OPERATIONS) if (found := functions(name))}


class Step(nn.Module):
    """One call of an operation on arguments that may be, or hold, activations."""

    def __init__(self, operation: Any, arguments: list[Any], named: dict[str, Any]) -> None:
        super().__init__()
        self.operation, self.arguments, self.named = operation, arguments, named

    def forward(self, x: Tensor) -> Tensor:
        def filled(value: Any) -> Any:
            if isinstance(value, list):
                return [filled(each) for each in value]
            return value.of(x) if isinstance(value, Varying) else value

        named = {name: filled(value) for name, value in self.named.items()}
        output = self.operation(*map(filled, self.arguments), **named)
        output = output if isinstance(output, Tensor) else output[0]
        return torch.where(output, 1.0, x.new_zeros(())) if output.dtype == torch.bool else output

    def __repr__(self) -> str:
        kinds = {id(each): f"VARYING[{at}]" for at, each in enumerate(VARYING)}
        shown = [kinds.get(id(value), value) for value in self.arguments]
        return f"{self.operation}({shown}, {self.named})"


class Drawn(nn.Module):
    """Steps on planes (n, 2, 4, 4), each added to its input."""

    def __init__(self, steps: list[Step]) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = x + planes(step(x))
        return x.flatten(1) @ torch.linspace(-1, 1, 96, dtype=x.dtype).view(32, 3)


def planes(output: Tensor) -> Tensor:
    """An output (n, ...), cut or repeated to the size of planes."""
    flat = output.flatten(1)
    size = torch.Size(SHAPE).numel()
    return flat.repeat(1, -(-size // flat.shape[1]))[:, :size].unflatten(1, SHAPE)


def draw_step(random: Random, name: str) -> Step:
    """A call of an operation; an argument may be left out if it has a default."""
    operation = random.choice(ALL[name])
    arguments: list[Any] = []
    named: dict[str, Any] = {}
    for each in operation._schema.arguments:
        optional = str(each.type).startswith("Optional[")
        kind = str(each.type)[9:-1] if optional else str(each.type)
        left = each.name in LEFT or (
            (optional or each.has_default_value()) and random.random() < 0.5
        )
        pick = NAMES.get(each.name, TYPES.get(kind, among([None])))
        value = each.default_value if left else pick(random)
        if each.kwarg_only:
            named[each.name] = value
        else:
            arguments.append(value)
    return Step(operation, arguments, named)


@torch.no_grad()
def works(step: Step, x: Tensor) -> bool:
    """Whether PyTorch computes a step, in a batch as image by image, and it reads the images."""
    try:
        together = planes(step(x))
        alone = torch.cat([planes(step(image[None])) for image in x])
    except Exception:  # PyTorch raises anything where arguments do not fit
        return False
    if together.shape != x.shape or together.dtype != x.dtype or not together.isfinite().all():
        return False
    return bool(torch.allclose(together, alone)) and not torch.equal(together[0], together[1])


def draw_network(seeds: Sequence[tuple[str, int]], x: Tensor) -> Drawn:
    """A step for each name and seed, unless none of the first tries works for images x."""
    steps: list[Step] = []
    for name, seed in seeds:
        random = Random(seed)
        drawn = (draw_step(random, name) for _ in range(TRIES))
        step = next((each for each in drawn if works(each, x)), None)
        if step is not None:
            steps.append(step)
            x = x + planes(step(x))
    return Drawn(steps).eval()
