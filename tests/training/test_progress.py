"""An interrupted and resumed training gives the same bytes as an uninterrupted one."""

import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from stages.base.errors.user import UserError
from stages.base.tracking.plugins import file_suffix, plugin_names
from stages.params.train import Augmentation, Train
from stages.training.fitting import DeviceSplit, Training, fit
from stages.training.progress import resume, save_progress
from tests.architectures.network_files import WRITERS
from tests.conftest import ROOT, environment
from tests.ranks.in_ranks import fresh, small

LIBRARIES = {
    "timm": {"name": "convnext_atto", "dims": [4, 8, 8, 8], "depths": [1, 1, 1, 1]},
    "torchvision": {"name": "mobilenet_v3_small"},
    "transformers": {
        "model_type": "resnet",
        "embedding_size": 8,
        "hidden_sizes": [8, 16],
        "depths": [1, 1],
    },
}
SMALL: dict[str, dict[str, Any]] = {"resnet": {"widths": [4, 8]}, "vit": {"depth": 1}, **LIBRARIES}
OPTIMIZERS = get_args(Train.model_fields["optimizer"].annotation)
EPOCHS = 3


def case(architecture: str, **changes: Any) -> dict[str, Any]:
    """A case in which everything random is on."""
    train = {"epochs": EPOCHS, "keep": "best", "schedule": "one_cycle", "learning_rate": 0.01}
    train["augment"] = list(get_args(Augmentation))
    side = 32 if architecture in LIBRARIES else 16
    return {
        "architecture": architecture,
        "options": SMALL.get(architecture, {}),
        "n_images": 40,
        "side": side,
        "dropout": True,
        "train": train | changes,
    }


def run(settings: dict[str, Any], file: Path, until: int = EPOCHS) -> Training:
    """Resume and train as the stage does; stop after epoch `until`."""
    training = fresh(settings)
    train, validation = small(40, side=settings["side"]), small(20, side=settings["side"])
    if settings.get("upside_down"):
        validation = DeviceSplit(validation.images, 1 - validation.labels)
    resume(training, file)
    for epoch in fit(training, train, validation):
        save_progress(training, file)
        if epoch == until < EPOCHS:
            break
    return training


def assert_same(one: Training, other: Training) -> None:
    assert one.rows == other.rows
    weights: dict[str, Tensor] = other.network.state_dict()
    for name, tensor in one.network.state_dict().items():
        assert torch.equal(tensor, weights[name]), name


@pytest.mark.parametrize(
    "architecture",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in LIBRARIES else [])
        for name in plugin_names("architectures")
        if file_suffix(name) is None  # others read a file
    ],
)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resuming_after_any_epoch_gives_the_same_weights(
    architecture: str, optimizer: str, tmp_path: Path
) -> None:
    settings = case(architecture, optimizer=optimizer)
    whole = run(settings, tmp_path / "whole")
    for epoch in range(1, EPOCHS):
        file = tmp_path / f"after_{epoch}"
        run(settings, file, until=epoch)
        assert_same(whole, run(settings, file))


@pytest.mark.parametrize(
    "changes",
    [
        {"keep": "last"},
        {"schedule": "constant"},
        {"precision": "bfloat16"},
        {"freeze": ["0.*"], "head_learning_rate": 0.05},
    ],
)
def test_resuming_twice_gives_the_same_weights(changes: dict[str, Any], tmp_path: Path) -> None:
    settings = case("convnet", **changes)
    whole = run(settings, tmp_path / "whole")
    for epoch in (1, 2):
        run(settings, tmp_path / "cut", until=epoch)
    assert_same(whole, run(settings, tmp_path / "cut"))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", WRITERS)
def test_resuming_a_network_in_a_file_gives_the_same_weights(
    kind: str, precision: str, tmp_path: Path
) -> None:
    """Keras draws dropout from a seed that is part of the network."""
    file = tmp_path / f"own.{kind}"
    WRITERS[kind](file, n_classes=2)
    settings = case(kind, precision=precision) | {"file": str(file), "side": 28}
    whole = run(settings, tmp_path / "whole")
    run(settings, tmp_path / "cut", until=1)
    assert_same(whole, run(settings, tmp_path / "cut"))
    train_loss = whole.history()["train_loss"]
    assert train_loss.iloc[-1] < 0.8 * train_loss.iloc[0]


def test_frozen_entries_keep_their_bytes_in_a_resumed_training(tmp_path: Path) -> None:
    settings = case("resnet", freeze="all_but_head", precision="bfloat16")
    before = {k: v.clone() for k, v in fresh(settings).network.state_dict().items()}
    run(settings, tmp_path / "cut", until=1)
    after = run(settings, tmp_path / "cut").network.state_dict()
    assert [name for name in after if not torch.equal(after[name], before[name])] == [
        "1.9.weight",
        "1.9.bias",
    ]


def test_resuming_after_the_last_epoch_gives_the_same_weights(tmp_path: Path) -> None:
    """As if writing the results had failed."""
    settings = case("convnet")
    assert_same(run(settings, tmp_path / "kept"), run(settings, tmp_path / "kept"))


def test_the_best_weights_of_earlier_epochs_are_kept(tmp_path: Path) -> None:
    settings = case("convnet") | {
        "upside_down": True
    }  # so that the validation loss grows in every epoch
    whole = run(settings, tmp_path / "whole")
    losses = whole.history()["validation_loss"].tolist()
    best = losses.index(min(losses)) + 1
    assert best < EPOCHS
    run(settings, tmp_path / "cut", until=2)
    assert_same(whole, run(settings, tmp_path / "cut"))


def test_a_resumed_training_reports_its_epoch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = case("convnet")
    run(settings, tmp_path / "cut", until=2)
    assert "resuming" not in capsys.readouterr().out
    run(settings, tmp_path / "cut")
    lines = [line for line in capsys.readouterr().out.splitlines() if "epoch" in line]
    assert lines[0] == "train: resuming an interrupted run after epoch 2 of 3"
    assert [line.split(":")[0] for line in lines[1:]] == ["epoch 3"]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "epoch.pt"
    run(case("convnet"), file, until=1)
    for content in (b"", file.read_bytes()[:1000]):
        file.write_bytes(content)
        with pytest.raises(UserError, match=r"epoch\.pt: damaged: .*; run make clean"):
            run(case("convnet"), file)


# Reads a small file first, so that all code is loaded, then a large one with little memory left.
LIMITED = """
import resource, sys
from pathlib import Path
import torch
from stages.training.progress import resume

small, large = map(Path, sys.argv[1:])
torch.load(small)
taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (30 << 20),) * 2)
resume(None, large)
"""


def test_out_of_memory_is_not_reported_as_damage(tmp_path: Path) -> None:
    files = [tmp_path / "small", tmp_path / "large"]
    for file, n_bytes in zip(files, (1, 100 << 20), strict=True):
        torch.save({"network": torch.zeros(n_bytes, dtype=torch.uint8)}, file)
    result = subprocess.run(
        ["python", "-c", LIMITED, *files],
        cwd=ROOT,
        env=environment(OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
    )
    *_, last = result.stderr.splitlines()
    assert "damaged" not in last
    assert "can't allocate memory" in last


def test_the_last_weights_are_stored_once(tmp_path: Path) -> None:
    sizes = []
    for keep in ("last", "best"):
        run(case("lenet", keep=keep), tmp_path / keep, until=1)
        sizes.append((tmp_path / keep).stat().st_size)
    n_bytes = sum(tensor.nbytes for tensor in fresh(case("lenet")).network.state_dict().values())
    assert sizes[1] - sizes[0] >= n_bytes
