"""Explaining undoes whatever the network's forward pass and its hooks have written."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deepshap import DeepShap, UnsupportedOperation, portable_operations

from ..networks import Function, behind, build, images

F32 = torch.float32
SEEN: list[Any] = []
LAST: Any = None


class Down(nn.Module):
    """Keeps its input for the layer `Up` that shares its container."""

    def __init__(self, skips: Any) -> None:
        super().__init__()
        self.skips = skips
        self.layer = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        if isinstance(self.skips, dict):
            self.skips[len(self.skips)] = x
        else:
            self.skips.append(x)
        return self.layer(x)


class Up(Down):
    def forward(self, x: Tensor) -> Tensor:
        last = self.skips.popitem()[1] if isinstance(self.skips, dict) else self.skips.pop()
        return self.layer(x) + last


class Registry(OrderedDict[str, Any]):
    """Makes a new object at each access, as some libraries' registries of activations do."""

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(name)()


REGISTRY = Registry(relu=nn.ReLU)


class Registered(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return REGISTRY["relu"](x)


def sharing(skips: Any) -> nn.Module:
    layers = Down(skips), Down(skips), Up(skips), Up(skips)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(200, 3))


class Keeping(nn.Module):
    """Keeps a feature in each of the ways people do."""

    counts: dict[str, int] = {}  # noqa: RUF012 (shared by the class on purpose)

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(4, 4, 3)
        self.feature: Tensor | None = None
        self.by_name = {"conv": [torch.zeros(1)]}
        self.queue: deque[Tensor] = deque(maxlen=2)
        self.register_buffer("running", torch.zeros(2))
        self.register_buffer("replaced", torch.zeros(2))

    def forward(self, x: Tensor) -> Tensor:
        self.feature = self.layer(x)
        self.new = self.feature.mean()
        self.by_name["conv"].append(self.feature)
        self.by_name["other"] = []
        self.queue.append(self.feature)
        self.counts["calls"] = self.counts.get("calls", 0) + 1
        self.running += 1
        self.replaced = self.replaced + 1
        return self.feature


def keeping() -> nn.Module:
    return behind(Keeping())


class Recorder:
    def __init__(self) -> None:
        self.outputs: list[Tensor] = []

    def record(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        self.outputs.append(output)


def seen(module: nn.Module, inputs: Any, output: Tensor) -> None:
    global LAST
    SEEN.append(output)
    LAST = output


def stored(store: dict[str, Tensor], module: nn.Module, inputs: Any, output: Tensor) -> None:
    store["relu"] = output


def network_with_hooks() -> tuple[nn.Module, Callable[[], list[Any]]]:
    """A network with hooks, and what they have recorded."""
    network = build(lambda: behind(nn.ReLU(), nn.MaxPool2d(2)), F32)
    local: list[Tensor] = []
    recorder, store = Recorder(), {"relu": torch.zeros(1)}
    latest = None

    def keep(module: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal latest
        latest = output
        local.append(output)

    network[0].register_forward_hook(keep)
    network[1].register_forward_hook(recorder.record)
    network[1].register_forward_hook(partial(stored, store))
    network[2].register_forward_hook(seen)
    network[2].register_forward_pre_hook(lambda module, inputs: local.append(inputs[0]))
    return network, lambda: [
        *local, *recorder.outputs, *store.values(), *SEEN, LAST, latest, len(local), len(SEEN)
    ]  # fmt: skip


def holding(network: nn.Module) -> list[Any]:
    """All that the modules hold, by identity, and the contents of their containers."""
    held: list[Any] = []
    for module in network.modules():
        for name, value in vars(module).items():
            held += [name, value]
            if isinstance(value, dict):
                held += [x for pair in value.items() for x in pair]
            if isinstance(value, list | deque):
                held += value
    return held


def same(now: list[Any], before: list[Any]) -> bool:
    return len(now) == len(before) and all(
        a is b or (isinstance(a, int | str) and a == b) for a, b in zip(now, before, strict=True)
    )


EXPLAIN: list[Callable[[nn.Module], Any]] = [
    lambda network: DeepShap(network, images(3, F32)).attribute(images(2, F32, seed=2)),
    lambda network: portable_operations(network, images(1, F32)),
]


@pytest.mark.parametrize("skips", [list, dict, OrderedDict, lambda: defaultdict(list), deque])
def test_modules_that_share_a_container_still_share_it(skips: Callable[[], Any]) -> None:
    shared = skips()
    network = build(lambda: sharing(shared), F32)
    x = images(3, F32)
    expected = network(x)
    explainer = DeepShap(network, x)
    assert [module.skips is shared for module in network[:4]] == [True] * 4
    assert len(shared) == 0
    assert torch.equal(network(x), expected)
    values = explainer.attribute(images(2, F32, seed=2))
    change = network(images(2, F32, seed=2)) - expected.mean(0)
    assert torch.allclose(values.sum((1, 2, 3)), change, atol=1e-5)


@pytest.mark.parametrize("explain", EXPLAIN, ids=["DeepShap", "portable_operations"])
def test_a_feature_kept_on_self_is_the_one_that_was_there(explain: Callable[..., Any]) -> None:
    network = build(keeping, F32)
    if explain is EXPLAIN[1]:
        network[1].forward = network[1].layer.forward  # keeps nothing, and has a plain form
    x = images(3, F32)
    expected = network(x)
    held, before = holding(network), [t.clone() for t in network.buffers()]
    kept, calls = list(network[1].by_name["conv"]), dict(Keeping.counts)
    explain(network)
    assert same(holding(network), held)
    assert same(network[1].by_name["conv"], kept)
    assert calls == Keeping.counts
    assert all(map(torch.equal, network.buffers(), before))
    assert torch.equal(network(x), expected)


@pytest.mark.parametrize("called_before", [False, True])
@pytest.mark.parametrize("explain", EXPLAIN, ids=["DeepShap", "portable_operations"])
def test_what_hooks_record_is_as_it_was(explain: Callable[..., Any], called_before: bool) -> None:
    network, recorded = network_with_hooks()
    x = images(3, F32)
    if called_before:
        network(x)
    before = recorded()
    explain(network)
    assert same(recorded(), before)
    expected = network(x)
    assert torch.equal(network(x), expected)
    assert not any("Fake" in type(value).__name__ for value in recorded())


class Counting(nn.Module):
    """Writes to a tensor that is not registered as a buffer, which `torch.export` refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.count = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return x * self.count.sign()


@pytest.mark.parametrize("last", [Function(lambda net, x: x.cummax(1).values), Counting()])
def test_it_is_as_it_was_after_a_refusal(last: nn.Module) -> None:
    shared: list[Tensor] = []
    network = build(lambda: nn.Sequential(*sharing(shared), last), F32)
    with pytest.raises(UnsupportedOperation, match=r"cummax at 6|Constant 6\.count is mutated"):
        DeepShap(network, images(3, F32))
    assert [module.skips is shared for module in network[:4]] == [True] * 4
    assert shared == []
    assert getattr(last, "count", 0) == 0


def test_a_dictionary_with_methods_of_its_own_is_left_alone() -> None:
    network = build(lambda: behind(Registered()), F32)
    DeepShap(network, images(3, F32))
    assert OrderedDict.__getitem__(REGISTRY, "relu") is nn.ReLU
