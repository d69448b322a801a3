"""Weights from a file: names with and without prefix, and misfits reported before training."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision.transforms.v2 import functional

from stages.artifacts.splits import DatasetInfo
from stages.base.errors.user import UserError
from stages.base.params.reading import check_params
from stages.base.params.sections import StageParams
from stages.networks.build import build_network
from stages.params.model import Model, Standardization
from stages.params.train import TrainOrWeights
from stages.training.initial.network import first_layer, load_weights
from tests.factory import dataset_info
from tests.training.options import DEFAULTS

FILE = Path("weights/own.safetensors")


def info(channels: int = 3, n_classes: int = 4) -> DatasetInfo:
    names = tuple(str(number) for number in range(n_classes))
    return dataset_info(names, (32, 32), channels, mean=0.2)


def resnet18(channels: int = 3, n_classes: int = 4) -> nn.Module:
    return build_network("torchvision", info(channels, n_classes), {"name": "resnet18"})


@pytest.fixture
def here(here: Path) -> Path:
    """A folder with a subfolder for weights."""
    (here / "weights").mkdir()
    return here


@pytest.fixture
def published(here: Path) -> nn.Module:
    """A network of torchvision for five classes, saved under its published names."""
    torch.manual_seed(1)
    network = torchvision.models.resnet18(num_classes=5)
    save_file(network.state_dict(), here / FILE)
    return network.eval()


def rewrite(**entries: Tensor) -> None:
    """Change entries of the file; `__` stands for a dot in their names."""
    changed = {name.replace("__", "."): tensor for name, tensor in entries.items()}
    save_file(load_file(FILE) | changed, FILE)


@pytest.mark.parametrize("channels", [1, 3])
def test_published_weights_give_the_authors_outputs(published: nn.Module, channels: int) -> None:
    """Compared with torchvision: scale to [0, 1], normalise, run."""
    network = resnet18(channels, n_classes=5)
    load_weights(network, FILE, [])
    images = torch.randint(0, 256, (2, channels, 32, 32), dtype=torch.uint8)
    normalised = functional.normalize(images.expand(-1, 3, -1, -1) / 255, [0.2] * 3, [0.3] * 3)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(images), published(normalised))


@pytest.mark.parametrize("trained_on", [1, 3])
@pytest.mark.parametrize("used_on", [1, 3])
@pytest.mark.usefixtures("here")
def test_weights_from_our_own_checkpoint(trained_on: int, used_on: int) -> None:
    """For any first layer, and whether grey images were repeated in three channels or not."""
    torch.manual_seed(2)
    own = resnet18(trained_on)
    save_file(own.state_dict(), FILE)
    network = resnet18(used_on)
    first = network[0]
    before = first.mean.clone()
    load_weights(network, FILE, [])
    assert torch.equal(first.mean, before)
    for ours, theirs in zip(network.parameters(), own.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_skipping_the_head_keeps_fresh_weights(published: nn.Module) -> None:
    network = resnet18(n_classes=4)
    fresh = network[1].fc.weight.clone()
    load_weights(network, FILE, ["fc.*"])
    body = network[1]
    assert torch.equal(body.fc.weight, fresh)
    assert torch.equal(body.layer4[1].conv2.weight, published.layer4[1].conv2.weight)


@pytest.mark.usefixtures("published")
def test_files_of_an_older_pytorch_lack_the_count_of_batches() -> None:
    entries = load_file(FILE)
    save_file({k: v for k, v in entries.items() if "num_batches" not in k}, FILE)
    load_weights(resnet18(n_classes=5), FILE, [])


@pytest.mark.usefixtures("published")
def test_all_misfits_are_reported_at_once() -> None:
    rewrite(bn1__weight=torch.zeros(3), **{f"extra{n:02}": torch.zeros(2) for n in range(12)})
    entries = load_file(FILE)
    del entries["conv1.weight"]
    save_file(entries, FILE)
    with pytest.raises(UserError) as caught:
        load_weights(resnet18(n_classes=4), FILE, ["fc.bias"])
    first, *lines, last = str(caught.value).splitlines()
    assert first == "weights/own.safetensors: does not fit the network:"
    assert lines == [
        "  missing: conv1.weight",
        "  unexpected: " + ", ".join(f"extra{n:02}" for n in range(10)) + " and 2 more",
        "  differing: bn1.weight (3, the network's is 64), "
        "fc.weight (5×512, the network's is 4×512)",
    ]
    assert "leave entries out with model.skip_weights" in last


@pytest.mark.usefixtures("published")
def test_a_pattern_without_matches_is_rejected() -> None:
    with pytest.raises(UserError, match=r"skip_weights: head\.\* matches no entry .*conv1\.weight"):
        load_weights(resnet18(n_classes=5), FILE, ["fc.*", "head.*"])


@pytest.mark.parametrize("content", [b"", b"\x10\0\0\0\0\0\0\0{cut", b"no weights" * 9])
def test_a_damaged_file(here: Path, content: bytes) -> None:
    (here / FILE).write_bytes(content)
    with pytest.raises(UserError, match=r"own\.safetensors: not a \.safetensors file, or damaged"):
        load_weights(resnet18(), FILE, [])


class Params(StageParams):
    model: Model
    train: TrainOrWeights


def check(epochs: int = 1, **changes: Any) -> Params:
    """Check section `model` as the stages do."""
    model = {"architecture": "lenet", "options": {}, "weights": None, "skip_weights": []}
    content = {"model": model | {"standardize": "training"} | changes}
    train = {"train": DEFAULTS | {"epochs": epochs}}
    return check_params(content | train, Params, Path("params.yaml"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"weights": "other.safetensors"},
            r"the name of a \.safetensors, \.pt, .* or \.tar file",
        ),
        ({"weights": "../own.safetensors"}, r"the name of .* file in weights/.*got '\.\./own"),
        ({"weights": "None"}, r"weights: must be null or the name"),
        ({"weights": "own.pt2"}, r"weights: must be null or the name"),
        ({"weights": 1}, r"model\.weights: must be a string \(got 1\)"),
        ({"skip_weights": ["fc.*"]}, r"skip_weights: must be \[\] without model\.weights"),
        ({"standardize": "imagenet"}, r"standardize: must be training, none or \{mean: \[…\], st"),
        ({"standardize": {"mean": [0.5]}}, r"standardize: must be training, none or"),
        ({"standardize": {"mean": [0.5], "std": [0]}}, r"std above 0 \(got \{'mean'"),
        ({"standardize": {"mean": [0.5], "std": [1, 1]}}, r"one for each channel"),
        ({"standardize": {"mean": [True], "std": [1]}}, r"numbers on the scale \[0, 1\]"),
        ({"epochs": 0}, r"train\.epochs: must be at least 1, or 0 with model\.weights \(got 0\)"),
        ({"epochs": -1}, r"train\.epochs: must be greater than or equal to 0 \(got -1\)"),
    ],
)
def test_invalid_model_parameters_are_rejected(
    here: Path, changes: dict[str, Any], message: str
) -> None:
    (here / "own.safetensors").touch()
    (here / "weights/own.pt2").touch()
    (here / "weights/None").touch()
    with pytest.raises(UserError, match=message):
        check(**changes)


@pytest.mark.usefixtures("published")
def test_zero_epochs_are_valid_with_weights() -> None:
    assert check(epochs=0, weights=FILE.name, skip_weights=["fc.*"]).train.epochs == 0


@pytest.mark.parametrize(
    ("standardize", "expected"),
    [
        ("training", ([0.2] * 3, [0.3] * 3)),
        ("none", ([0.0] * 3, [1.0] * 3)),
        ({"mean": [0.4, 0, 0.1], "std": [1, 2.5, 3]}, ([0.4, 0, 0.1], [1, 2.5, 3])),
    ],
)
def test_the_first_layer_standardises_like_torchvision(
    standardize: Standardization, expected: tuple[list[float], list[float]]
) -> None:
    statistics = first_layer(standardize, info())
    network = build_network("lenet", info(), {}, statistics)
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    normalised = functional.normalize(images / 255, *expected)
    torch.testing.assert_close(network[0](images), normalised)
