"""The engine's simplifications of a network do not change values."""

import itertools

import pytest
import torch
from torch import nn

from deepshap import DeepShap
from deepshap.graph.program import Program
from deepshap.rules.composition import Composed
from deepshap.rules.linear import Convolution, Scale, Sum


def randomised(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias)
    return network.double().eval()


@pytest.fixture
def images() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(5, 2, 6, 6, dtype=torch.float64)


def test_more_outputs_than_features_equal_a_few_at_a_time(images: torch.Tensor) -> None:
    network = randomised(
        nn.Sequential(
            nn.Conv2d(2, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 7)
        )
    )
    explainer = DeepShap(network, images[2:])
    at_once = explainer.attribute(images[:2])
    few = [explainer.attribute(images[:2], [k]) for k in range(7)]
    torch.testing.assert_close(at_once, torch.cat(few, -1), rtol=1e-12, atol=1e-15)
    other = torch.tensor([[6, 0, 1, 2, 3], [5, 5, 4, 0, 1]])
    expected = torch.stack([at_once[i][..., other[i]] for i in range(2)])
    torch.testing.assert_close(explainer.attribute(images[:2], other), expected)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
def test_batch_norm_is_folded_into_the_convolution(
    images: torch.Tensor, bias: bool, groups: int
) -> None:
    network = randomised(
        nn.Sequential(
            nn.Conv2d(2, 4, 3, bias=bias, groups=groups), nn.BatchNorm2d(4), nn.Sigmoid(),
            nn.Flatten(), nn.Linear(64, 2),
        )
    )  # fmt: skip
    program = Program(network, images[:1])
    rules = [step.rule for step in program.steps.values()]
    assert not any(isinstance(rule, Scale | Sum) for rule in rules)
    assert any(isinstance(rule, Convolution) for rule in rules)
    torch.testing.assert_close(program.run(images).outputs, network(images))
    _assert_additive(network, images)


def test_a_factor_is_not_folded_if_another_step_reads_the_layer(images: torch.Tensor) -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution, self.norm = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.convolution(x)
            return (self.norm(y).relu() + y).mean((2, 3))

    network = randomised(Both())
    torch.testing.assert_close(Program(network, images[:1]).run(images).outputs, network(images))
    _assert_additive(network, images)


def test_flatten_pool_and_linear_layer_become_one_step(images: torch.Tensor) -> None:
    network = randomised(
        nn.Sequential(
            nn.Conv2d(2, 3, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(5), nn.Flatten(),
            nn.Linear(75, 6), nn.ReLU(), nn.Linear(6, 2),
        )
    )  # fmt: skip
    program = Program(network, images[:1])
    assert any(isinstance(step.rule, Composed) for step in program.steps.values())
    torch.testing.assert_close(program.run(images).outputs, network(images))
    _assert_additive(network, images)


def test_constants_before_a_classifier_move_into_its_constant(images: torch.Tensor) -> None:
    class Complement(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution, self.hidden, self.head = (
                nn.Conv2d(2, 3, 3), nn.Linear(12, 6), nn.Linear(6, 2)
            )  # fmt: skip

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            pooled = nn.functional.avg_pool2d(self.convolution(x).relu(), 2)
            return self.head(self.hidden(torch.rsub(pooled, 1).flatten(1)).relu())

    network = randomised(Complement())
    program = Program(network, images[:1])
    (hidden,) = (s.rule for s in program.steps.values() if isinstance(s.rule, Composed))
    assert len(hidden.rules) == 3  # the complement, flatten and the layer
    torch.testing.assert_close(program.run(images).outputs, network(images))
    _assert_additive(network, images)


def test_branches_joined_directly_before_a_classifier(images: torch.Tensor) -> None:
    """As in GoogLeNet, whose last pooling has one pixel on small images."""

    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right, self.head = (
                nn.Conv2d(2, 3, 6), nn.Conv2d(2, 4, 6), nn.Linear(7, 2)
            )  # fmt: skip

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            joined = torch.cat([self.left(x).relu(), self.right(x).tanh()], 1)
            return self.head(joined.flatten(1)).sigmoid()

    network = randomised(Joined())
    torch.testing.assert_close(Program(network, images[:1]).run(images).outputs, network(images))
    _assert_additive(network, images)


@pytest.mark.parametrize("channels", [4, 8])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_convolutions_of_any_kind_are_additive(
    images: torch.Tensor, channels: int, groups: int
) -> None:
    """Each has outputs of its own in one network, which is exported once."""

    class AllKinds(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            kinds = itertools.product([1, 2, 3], [0, 1, 3], [1, 2])
            self.first = nn.Conv2d(2, 4, 1)
            self.branches = nn.ModuleList(
                nn.Sequential(
                    nn.Conv2d(
                        4, channels, (3, 2), stride, (padding, padding // 2), dilation, groups,
                        bias=channels == 8,
                    ),
                    nn.Tanh(), nn.Flatten(), nn.LazyLinear(2, dtype=torch.float64),
                )
                for stride, padding, dilation in kinds
            )  # fmt: skip

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.first(x).tanh()
            return torch.cat([branch(x) for branch in self.branches], 1)

    network = randomised(AllKinds())
    assert network(images).shape == (5, 36)
    torch.testing.assert_close(Program(network, images[:1]).run(images).outputs, network(images))
    _assert_additive(network, images)


def _assert_additive(network: nn.Module, images: torch.Tensor) -> None:
    explainer = DeepShap(network, images[2:])
    values = explainer.attribute(images[:2])
    with torch.no_grad():
        change = network(images[:2]) - network(images[2:]).mean(0)
    torch.testing.assert_close(values.sum((1, 2, 3)), change, rtol=1e-10, atol=1e-13)
