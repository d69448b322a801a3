"""Transfer learning: frozen entries keep their bytes, the head is found and has its own rate."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from stages.artifacts.splits import DatasetInfo
from stages.base.errors.user import UserError
from stages.base.params.reading import check_params
from stages.base.params.sections import StageParams
from stages.networks.build import Classifier, Standardize, Statistics, as_published, build_network
from stages.params.train import Train
from stages.training.fitting import Training, fit
from stages.training.freezing import find_head, freeze, require_trainable
from tests.factory import dataset_info
from tests.ranks.in_ranks import small

from .options import DEFAULTS, options

HEAD = "all_but_head"
INFO = dataset_info(("dark", "bright"), (16, 16))
COLOUR = dataset_info([str(n) for n in range(64)], (64, 64), channels=3)


class Ours(nn.Module):
    """Batch norms of all kinds, and dropout in a part of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Dropout(0.5)
        )
        self.plain_norm = nn.BatchNorm2d(4, affine=False)
        self.last_norm = nn.BatchNorm1d(4)
        self.classifier = nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 2))

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.plain_norm(self.features(images)).amax((2, 3))
        logits: Tensor = self.classifier(self.last_norm(features))
        return logits


def ours() -> Classifier:
    torch.manual_seed(1)
    statistics = Statistics((0.3,), (0.3,))
    return Classifier(Standardize(statistics), Ours(), Path("ours.py"))


def trained(network: nn.Sequential, info: DatasetInfo = INFO, **changes: Any) -> Training:
    """Train for real on 40 images; return the training."""
    chosen = options(**changes)
    images = small(40, channels=info.channels, side=info.image_size[0])
    training = Training(network, chosen, 40, 0, find_head(network, info, chosen))
    for _ in fit(training, images, images):
        pass
    return training


def changed(network: nn.Sequential, before: dict[str, Tensor]) -> set[str]:
    """Names of the entries that have other bytes than before."""
    now = as_published(network).state_dict()
    return {name for name in before if not torch.equal(now[name], before[name])}


def copied(network: nn.Sequential) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in as_published(network).state_dict().items()}


HEAD_ENTRIES = {"classifier.1.weight", "classifier.1.bias"}
STATISTICS = {"running_mean", "running_var", "num_batches_tracked"}
LAST_NORM = {f"last_norm.{name}" for name in ("weight", "bias", *STATISTICS)}
PLAIN_NORM = {f"plain_norm.{name}" for name in STATISTICS}


@pytest.mark.parametrize(
    ("frozen", "expected"),
    [
        (HEAD, HEAD_ENTRIES),
        (["features.*", "plain_norm.*"], LAST_NORM | HEAD_ENTRIES),
        (["features*", "last_norm.*"], PLAIN_NORM | HEAD_ENTRIES),
        (
            ["*norm.running_mean", "features.*"],
            {"last_norm.weight", "last_norm.bias"} | HEAD_ENTRIES,
        ),
        (
            ["features.*", "*.bias", "plain_norm.num*"],
            (LAST_NORM | HEAD_ENTRIES) - {"last_norm.bias", "classifier.1.bias"},
        ),
    ],
)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_only_entries_that_are_not_frozen_change(
    frozen: Any, expected: set[str], precision: str
) -> None:
    network = ours()
    before = copied(network)
    trained(network, freeze=frozen, precision=precision, weight_decay=0.1, optimizer="adamw")
    assert changed(network, before) == expected


def test_without_freezing_everything_changes() -> None:
    network = ours()
    before = copied(network)
    trained(network)
    assert changed(network, before) == before.keys()


def test_a_network_of_which_nothing_can_be_trained_is_refused() -> None:
    network = ours()
    require_trainable(network)
    network.requires_grad_(False)
    message = r"^ours\.py: all of its layers are frozen.*set train\.epochs: 0 .*requires_grad"
    with pytest.raises(UserError, match=message):
        require_trainable(network)


def test_frozen_parts_run_as_after_training_and_get_no_gradients() -> None:
    network = ours()
    before = network[1].features(torch.ones(2, 1, 16, 16))
    training = trained(network, freeze=HEAD)
    training.enter_training_mode()
    body = network[1]
    assert body.classifier[0].training  # dropout in front of the head
    assert not body.features[3].training  # dropout of the frozen part
    assert all(weight.grad is None for weight in body.features.parameters())
    held = [id(weight) for group in training.optimizer.param_groups for weight in group["params"]]
    assert held == [id(weight) for weight in body.classifier.parameters()]
    assert not torch.equal(before, body.features.eval()(torch.ones(2, 1, 16, 16)))


def test_training_the_head_is_a_logistic_regression_on_its_features() -> None:
    """Compared with PyTorch's SGD on features that are computed once."""
    network = build_network("single_conv", INFO, {})
    body = network[1]
    images = small(40, side=16)
    features = nn.Sequential(network[0], *list(body)[:-1])(images.images).detach()
    literal = nn.Linear(body[-1].in_features, 2)
    literal.load_state_dict(body[-1].state_dict())
    literal.double()
    optimizer = torch.optim.SGD(literal.parameters(), 0.05, momentum=0.9)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        for batch in torch.randperm(40, generator=generator).split(32):
            optimizer.zero_grad()
            cross_entropy(literal(features[batch].double()), images.labels[batch]).backward()
            optimizer.step()
    trained(network, freeze=HEAD)
    torch.testing.assert_close(body[-1].weight, literal.weight.float(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("schedule", ["constant", "one_cycle"])
def test_the_head_has_its_own_learning_rate(schedule: str) -> None:
    """Compared with PyTorch's optimiser and schedule, one for each part."""
    network = ours()
    chosen = options(head_learning_rate=0.5, schedule=schedule, epochs=2)
    training = Training(network, chosen, 40, 0, find_head(network, INFO, chosen))
    body, head = training.optimizer.param_groups
    assert [id(weight) for weight in head["params"]] == [
        id(weight) for weight in network[1].classifier.parameters()
    ]
    literal = []
    for rate in (0.05, 0.5):
        optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], rate)
        if schedule == "one_cycle":
            literal.append(torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=4))
        else:
            literal.append(torch.optim.lr_scheduler.ConstantLR(optimizer, 1, 0))
    for _ in range(3):
        rates = [one.optimizer.param_groups[0]["lr"] for one in literal]
        assert [body["lr"], head["lr"]] == pytest.approx(rates)
        for one in (*literal, training.schedule):
            one.optimizer.step()
            one.step()


def test_a_head_alone_is_trained_at_its_own_rate() -> None:
    training = trained(ours(), freeze=HEAD, head_learning_rate=0.5)
    (group,) = training.optimizer.param_groups
    assert group["lr"] == 0.5
    assert training.history()["learning_rate"].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    "name",
    [
        "convnext_atto",
        "deit_tiny_patch16_224",
        "densenet121",
        "efficientnet_lite0",
        "resnet10t",
        "vgg11",
    ],
)
def test_the_head_is_what_timm_calls_the_classifier(name: str) -> None:
    network = build_network("timm", COLOUR, {"name": name})
    assert find_head(network, COLOUR, options(freeze=HEAD)) is network[1].get_classifier()


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("resnet18", "fc"),
        ("alexnet", "classifier.6"),
        ("squeezenet1_1", "classifier.1"),  # a convolution, before ReLU and pooling
        ("mobilenet_v3_small", "classifier.3"),
        ("shufflenet_v2_x0_5", "fc"),
        ("swin_t", "head"),
        ("googlenet", "fc"),
    ],
)
def test_the_head_of_networks_of_torchvision(name: str, head: str) -> None:
    network = build_network("torchvision", COLOUR, {"name": name})
    expected = as_published(network).get_submodule(head)
    assert find_head(network, COLOUR, options(freeze=HEAD)) is expected


class OneLogit(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(256, 3)
        self.score = nn.Linear(3, 1)

    def forward(self, images: Tensor) -> Tensor:
        score: Tensor = self.score(self.hidden(images.flatten(1)).relu())
        return score


def test_the_head_of_one_logit() -> None:
    network = Classifier(Standardize(Statistics((0.3,), (0.3,))), OneLogit(), "ours.py")
    assert find_head(network, INFO, options(head_learning_rate=0.1)) is network[1].score


def test_no_head_is_sought_where_none_is_needed() -> None:
    assert find_head(ours(), INFO, options(freeze=["features.*"])) is None


class Product(nn.Module):
    """Without a layer that yields the logits."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(256, 2))

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight


def test_a_network_without_a_head_is_rejected() -> None:
    network = Classifier(Standardize(Statistics((0.3,), (0.3,))), Product(), "ours.py")
    with pytest.raises(UserError, match=r"no layer of the network yields the logits.* patterns"):
        find_head(network, INFO, options(freeze=HEAD))


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["conv9.*"], r"train\.freeze: conv9\.\* matches no entry .*; entries are features\.0\.w"),
        (["*"], r"train\.freeze: freezes all entries of the network \(got \['\*'\]\); leave some"),
    ],
)
def test_patterns_that_cannot_be_meant(patterns: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        freeze(ours(), patterns, None)


class Params(StageParams):
    train: Train


@pytest.mark.parametrize("value", ["head", "fc.*", [1], None, {"a": 1}])
def test_invalid_values_of_freeze(value: Any) -> None:
    with pytest.raises(UserError, match=r"train\.freeze: must be all_but_head or a list of shell"):
        check_params({"train": DEFAULTS | {"freeze": value}}, Params, Path("params.yaml"))
