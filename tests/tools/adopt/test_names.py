"""Networks by name: unknown ones, no connection, and what torchvision knows of its weights."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torchvision import models

from stages.base.errors.user import UserError
from tests.conftest import ROOT, environment
from tests.tools.adopt.published import MEAN, publish
from tools.adopt import torchvision_weights
from tools.adopt.head import choose_head
from tools.adopt.recipe import make_recipe
from tools.adopt.sources import load_pretrained

DIGITS = tuple("0123456789")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nobody", r"FROM: nobody: no such folder, and not a name such as owner/name on the hub"),
        ("", r"FROM: empty: no such folder, and not a name"),
        ("./a/b", r"FROM: \./a/b: no such folder"),
        ("torchvision:resnet19", r"has no network resnet19; did you mean resnet1"),
        ("torchvision:resnet50.V9", r"resnet50 has no weights V9; known: IMAGENET1K_V1, IMAG"),
        ("torchvision:vgg16.IMAGENET1K_FEATURES", r"has no classes; choose others"),
        (
            "timm:resnet18.a9",
            r"timm:resnet18\.a9: Invalid pretrained tag .*; did you mean resn",
        ),
        ("timm:resnett", r"FROM: timm:resnett: Model architecture \(resnett\) has no pretrained"),
    ],
)
def test_names_that_do_not_exist(source: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_pretrained(source)


def test_without_a_connection_torchvisions_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    url = "http://127.0.0.1:9/resnet18-f37072fd.pth"  # nobody listens there
    file = tmp_path / "hub/checkpoints/resnet18-f37072fd.pth"
    with pytest.raises(UserError, match=rf"cannot be fetched: .*\n .* save {url} as {file}, then"):
        torchvision_weights.fetched(url, "resnet18")
    file.write_bytes(b"another")
    with pytest.raises(UserError, match=rf"{file}: SHA-256 is \w+, expected f37072fd…; the file"):
        torchvision_weights.fetched(url, "resnet18")


def test_a_file_of_torchvision_that_would_run_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub/checkpoints/own.pth"
    file.parent.mkdir(parents=True)
    torch.save({"run": print}, file)
    with pytest.raises(UserError, match=r"own\.pth: does not contain tensors alone: "):
        torchvision_weights.fetched("http://127.0.0.1:9/own.pth", "own")


@pytest.mark.parametrize(
    ("name", "which", "size", "mean"),
    [
        ("resnet18", "IMAGENET1K_V1", 224, MEAN),
        ("resnet50", "IMAGENET1K_V2", 224, MEAN),  # the newest
        ("efficientnet_b1.IMAGENET1K_V2", "IMAGENET1K_V2", 240, MEAN),
        ("efficientnet_v2_l", "IMAGENET1K_V1", 480, [0.5] * 3),
    ],
)
def test_weights_of_torchvision_bring_their_statistics(
    name: str, which: str, size: int, mean: list[float]
) -> None:
    builder, weights = torchvision_weights.find_weights(name)
    assert weights.name == which
    found = torchvision_weights.described(models.resnet18(), builder, weights, "file")
    assert (found.input.image_size, list(found.input.mean)) == ((size, size), mean)
    assert found.class_names is not None
    assert (found.n_classes, found.class_names[0]) == (1000, "tench")


def test_inceptions_own_standardisation_is_kept() -> None:
    builder, weights = torchvision_weights.find_weights("googlenet")
    network = models.googlenet(transform_input=True, aux_logits=False, init_weights=False)
    found = torchvision_weights.described(network, builder, weights, "file")
    assert found.options == {"name": "googlenet", "transform_input": True}


def test_a_network_of_torchvision_with_another_head(here: Path) -> None:
    builder, weights = torchvision_weights.find_weights("resnet18")
    pretrained = torchvision_weights.described(models.resnet18(), builder, weights, "file")
    head = choose_head(pretrained, DIGITS, can_reorder=False)
    assert head.note.startswith("replaced, since it has 1,000 outputs and the data set 10 classes;")
    recipe = make_recipe(pretrained, "own", head, DIGITS, epochs=3)
    assert recipe["model"]["skip_weights"] == ["fc.bias", "fc.weight"]
    assert recipe["train"] == {"epochs": 3}
    assert recipe["preprocess"] == {"image_size": 224, "color": "rgb"}


def test_a_folder_in_the_hubs_cache_needs_no_connection(tmp_path: Path) -> None:
    revision = "0123456789abcdef0123456789abcdef01234567"
    cache = tmp_path / "hub/models--owner--Net"
    publish(cache / "snapshots" / revision, "resnet")
    (cache / "refs").mkdir()
    (cache / "refs/main").write_text(revision)
    code = (
        "from tools.adopt.sources import load_pretrained; found = load_pretrained('owner/Net');"
        "print(found.name, found.n_classes, *found.origin, sep=chr(10))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment(HF_HOME=str(tmp_path), HF_HUB_OFFLINE="1"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    digest = hashlib.sha256((cache / "snapshots" / revision / "model.safetensors").read_bytes())
    assert done.stdout.splitlines()[1:5] == [
        "Net",
        "10",
        f"owner/Net, revision {revision}",
        f"model.safetensors: SHA-256 {digest.hexdigest()}",
    ]
