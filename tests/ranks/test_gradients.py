"""Training in several ranks under torchrun has the same loss curve as in one process."""

import contextlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from stages.base.errors.user import UserError
from stages.base.tracking.plugins import file_suffix, plugin_names
from stages.ranks import gradients as ranks
from stages.ranks.gradients import _batch_norm
from tests.architectures.network_files import write_keras, write_onnx
from tests.conftest import ROOT, environment

from .in_ranks import train

# 41 images in batches of 13 leave two for the last batch, too few for three ranks, and the other
# batches cannot be divided evenly. In float64 only rounding differs, by a relative 1e-16, which
# eight steps through batch norm over few values may amplify, but not 10,000 times. In float32
# rounding is 6e-8, and the network amplifies it little. A wrong slice of a batch would change the
# loss by 4e-4, separate batch norms in each rank by 1e-1 (both were tried). Networks of libraries
# have twenty to fifty batch norms in sequence, with random weights.
TOLERANCE = {"float64": 1e-12, "float32": 2e-6, "libraries": 1e-7}
PLAIN = {"n_images": 41, "n_validation": 7, "dtype": "float64", "side": 16}
TRAIN = {"batch_size": 13, "learning_rate": 0.02}
OPTIONS = {"resnet": {"widths": [4, 8]}, "vit": {"depth": 1}}
LIBRARIES = {
    "timm": {"options": {"name": "efficientnet_lite0"}, "train": TRAIN | {"learning_rate": 1e-4}},
    "torchvision": {"options": {"name": "resnet18"}},
    "transformers": {
        "options": {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16]}
        | {"depths": [1, 1]}
    },
}
AUGMENTED = {"augment": ["shift", "rotate", "scale", "flip", "erase"], "optimizer": "adam"}
OWN = {
    name: PLAIN | {"architecture": name, "options": OPTIONS.get(name, {}), "train": TRAIN}
    for name in plugin_names("architectures")
    if name not in LIBRARIES and file_suffix(name) is None  # others read a file
} | {
    "augmented": PLAIN | {"architecture": "convnet", "train": TRAIN | AUGMENTED},
    "float32": PLAIN | {"architecture": "convnet", "dtype": "float32", "train": TRAIN},
    # With a gradient, weight decay would change it.
    "unused": PLAIN
    | {"architecture": "lenet", "unused": True, "train": TRAIN | {"weight_decay": 0.1}},
    # Parameters without gradients, and batch norms of frozen parts, which use no batch statistics.
    "frozen": PLAIN
    | {"architecture": "resnet", "options": OPTIONS["resnet"]}
    | {"train": TRAIN | {"freeze": ["0.*", "1.*", "4.running_*"], "head_learning_rate": 0.1}},
    "head": PLAIN | {"architecture": "convnet", "train": TRAIN | {"freeze": "all_but_head"}},
    "dropout": PLAIN | {"architecture": "convnet", "dropout": True, "train": TRAIN},
}
FILES = {  # Keras has a batch norm of its own
    kind: PLAIN | {"architecture": kind, "dtype": "float32", "side": 28, "train": TRAIN}
    for kind in ("keras", "onnx")
}
LIBRARY_CASES = {
    name: PLAIN | {"architecture": name, "n_images": 39, "side": 64, "train": TRAIN} | changes
    for name, changes in LIBRARIES.items()
}


Result = tuple[pd.DataFrame, dict[str, Tensor]]
"""History and weights."""


def trained(cases: dict[str, Any], folder: Path, n_ranks: int) -> dict[str, Result]:
    """Each case, trained in `n_ranks` ranks."""
    folder.mkdir()
    if n_ranks == 1:
        for name, case in cases.items():
            train(case, name, folder)
    else:
        (folder / "cases.json").write_text(json.dumps(cases))
        start = ["torchrun", "--nproc-per-node", str(n_ranks), "-m", "tests.ranks.in_ranks"]
        env = environment(OMP_NUM_THREADS="1")
        command = [*start, folder / "cases.json", folder]
        subprocess.run(command, cwd=ROOT, env=env, capture_output=True, check=True)
    return {
        name: (pd.read_json(folder / f"{name}.json"), load_file(folder / f"{name}.st"))
        for name in cases
    }


@pytest.fixture(scope="module", params=[pytest.param(2, marks=pytest.mark.slow), 3])
def own(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Result], dict[str, Result]]:
    """Results from one process, and from several ranks."""
    folder = tmp_path_factory.mktemp("own")
    write_keras(folder / "own.keras", n_classes=2, dropout=0.0)
    write_onnx(folder / "own.onnx", n_classes=2)
    files = {kind: case | {"file": str(folder / f"own.{kind}")} for kind, case in FILES.items()}
    cases = OWN | files
    return trained(cases, folder / "one", 1), trained(cases, folder / "several", request.param)


def assert_same(one: Result, several: Result, tolerance: float) -> None:
    pd.testing.assert_frame_equal(one[0], several[0], rtol=tolerance, atol=tolerance)
    assert one[0]["train_loss"].iloc[0] != pytest.approx(one[0]["train_loss"].iloc[1], rel=0.01)
    for name, tensor in several[1].items():
        torch.testing.assert_close(tensor, one[1][name], rtol=0, atol=10 * tolerance)


@pytest.mark.parametrize("case", [case for case in OWN | FILES if case != "dropout"])
def test_ranks_have_the_same_loss_curve_as_one_process(
    own: tuple[dict[str, Result], dict[str, Result]], case: str
) -> None:
    one, several = own
    assert_same(one[case], several[case], TOLERANCE[(OWN | FILES)[case]["dtype"]])


@pytest.mark.slow
@pytest.mark.parametrize("n_ranks", [2, 3])
def test_library_networks_have_the_same_loss_curve_as_in_one_process(
    n_ranks: int, tmp_path: Path
) -> None:
    """These have their own batch norm modules."""
    one = trained(LIBRARY_CASES, tmp_path / "one", 1)
    several = trained(LIBRARY_CASES, tmp_path / "several", n_ranks)
    for case in LIBRARY_CASES:
        assert_same(one[case], several[case], TOLERANCE["libraries"])


def test_each_rank_draws_its_own_dropout(
    own: tuple[dict[str, Result], dict[str, Result]],
) -> None:
    """So the curve differs, as with another seed, but training works equally well."""
    one, several = (results["dropout"][0] for results in own)
    assert not one["train_loss"].equals(several["train_loss"])
    assert several["validation_accuracy"].iloc[-1] == one["validation_accuracy"].iloc[-1] == 1


@pytest.mark.parametrize(
    ("n_images", "n_validation", "rejected"),
    [(41, 9, True), (42, 9, False), (42, 2, True), (39, 3, False)],
)
def test_a_network_that_rejects_empty_batches(
    n_images: int, n_validation: int, rejected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reported before the first step if the last batch or the validation split has two images."""
    monkeypatch.setattr(ranks, "n_ranks", lambda: 3)
    images = torch.zeros(n_images, 1, 4, 4)
    ranks.require_images_for_every_rank(nn.Flatten(), images, 39, n_validation)

    class Reshaping(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.view(images.size(0), -1)

    words = (
        r"train\.batch_size: \d+ images in batches of 39 leave \d+ for the last batch, and the val"
    )
    with pytest.raises(UserError, match=words) if rejected else contextlib.nullcontext():
        ranks.require_images_for_every_rank(Reshaping(), images, 39, n_validation)


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (4, 3, 5, 6)])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_in_one_rank_equals_torchs(shape: tuple[int, ...], affine: bool) -> None:
    """Outputs, gradients and running statistics; the tests above cover several ranks."""
    torch.manual_seed(0)
    found = []
    for function in (batch_norm, _batch_norm):
        torch.manual_seed(0)
        features = (torch.randn(shape, dtype=torch.float64) * 3 + 5).requires_grad_()
        mean, variance, weight, bias = torch.rand(4, 3, dtype=torch.float64)
        given = (weight.requires_grad_(), bias.requires_grad_()) if affine else (None, None)
        out = function(features, mean, variance, *given, training=True, momentum=0.1, eps=1e-5)
        out.square().mul(torch.rand(shape, dtype=torch.float64)).sum().backward()
        gradients = [tensor.grad for tensor in (features, *given) if tensor is not None]
        found.append([out, mean, variance, *gradients])
    for theirs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_batch_norm_rejects_a_single_image_as_torch_does() -> None:
    for function in (batch_norm, _batch_norm):
        with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
            function(torch.ones(1, 3), None, None, training=True, momentum=0.1, eps=1e-5)
