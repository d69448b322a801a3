"""Files that torch.save wrote: read with their authors' names, or rejected; no code is run."""

import io
import os
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

from stages.base.errors.user import UserError
from stages.networks.build import build_network
from stages.training.initial.network import load_weights
from stages.training.initial.weight_files import read_weights
from tests.factory import dataset_info

INFO = dataset_info("abcd", (8, 8), 3, mean=0.2)
OPTIONS = {"widths": [2], "blocks": 1}


def network() -> nn.Sequential:
    return build_network("resnet", INFO, OPTIONS)


@pytest.fixture
def trained() -> nn.Module:
    """A network as in the user's own project: without our first layer."""
    torch.manual_seed(4)
    return network()[1]


def loaded(file: Path, skip: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """The entries that a new network has after the file was loaded into it."""
    new = network()
    load_weights(new, file, skip)
    return new[1].state_dict()


def assert_equal(entries: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert entries.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(entries[name], tensor), name


def prefixed(prefix: str, entries: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in entries.items()}


def lightning(body: nn.Module) -> dict[str, Any]:
    """What a checkpoint of Lightning 2 contains, for a module with the network as `model`."""
    optimizer = torch.optim.Adam(body.parameters())
    return {
        "epoch": 1,
        "global_step": 2,
        "pytorch-lightning_version": "2.5.5",
        "state_dict": OrderedDict(prefixed("model.", body.state_dict())),
        "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 1}}}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": torch.tensor(0.5)}},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [{"last_epoch": 1, "_last_lr": [0.1]}],
        "hparams_name": "kwargs",
        "hyper_parameters": {"lr": 1e-3},
    }


def ddp(body: nn.Module) -> dict[str, Tensor]:
    wrapped = nn.DataParallel(body)  # its names are those of DistributedDataParallel
    return dict(wrapped.state_dict())


def compiled(body: nn.Module) -> dict[str, Tensor]:
    return dict(torch.compile(body).state_dict())


def compiled_part(body: nn.Module) -> dict[str, Tensor]:
    name, part = next((n, m) for n, m in body.named_children() if list(m.parameters()))
    setattr(body, name, torch.compile(part))
    return dict(body.state_dict())


CHECKPOINTS: dict[str, tuple[Callable[[nn.Module], Any], str]] = {
    "plain": (lambda body: body.state_dict(), ""),
    "ddp": (ddp, r": removed module\. from the names"),
    "compiled": (compiled, r": removed _orig_mod\. from the names"),
    "compiled part": (compiled_part, r": removed _orig_mod\. from the names"),
    "compiled in ddp": (
        lambda body: prefixed("module.", compiled(body)),
        r": removed _orig_mod\. and module\. from the names",
    ),
    "lightning": (lightning, r": took state_dict, removed model\. from the names"),
    "training loop": (
        lambda body: {
            "epoch": 3,
            "arch": "resnet",
            "model_state_dict": body.state_dict(),
            "best_acc1": torch.tensor(0.7),
            "optimizer": torch.optim.SGD(body.parameters(), 0.1).state_dict(),
        },
        ": took model_state_dict$",
    ),
    "averaged": (
        lambda body: {"model": ddp(body), "scaler": {"scale": torch.tensor(2.0)}},
        r": took model, removed module\. from the names",
    ),
    "parameters": (lambda body: dict(body.named_parameters()) | dict(body.named_buffers()), ""),
    "ours": (lambda body: prefixed("1.", body.state_dict()) | {"0.mean": torch.zeros(1)}, ""),
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
@pytest.mark.parametrize("archive", [True, False])
def test_checkpoints_as_people_have_them(
    here: Path, trained: nn.Module, kind: str, archive: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    make, note = CHECKPOINTS[kind]
    torch.save(make(trained), "w.pt", _use_new_zipfile_serialization=archive)
    capsys.readouterr()
    assert_equal(loaded(here / "w.pt"), expected)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == (1 if note else 0) + (kind == "ours")  # its other standardisation
    if note:
        assert re.search(note, printed[0])


def test_a_prefix_in_a_safetensors_file(here: Path, trained: nn.Module) -> None:
    (here / "w.safetensors").write_bytes(save(prefixed("backbone.net.", trained.state_dict())))
    assert_equal(loaded(here / "w.safetensors"), trained.state_dict())


def test_equally_good_candidates_are_named_and_chosen_with_skip_weights(
    here: Path, trained: nn.Module
) -> None:
    ema = {name: tensor + 1 for name, tensor in trained.state_dict().items()}
    expected = {"ema": ema, "model": trained.state_dict()}
    torch.save(expected, "w.pt")
    for chosen, other in (("model", "ema"), ("ema", "model")):
        assert_equal(loaded(here / "w.pt", (f"{other}.*",)), expected[chosen])
    with pytest.raises(UserError, match=r"ema\.\* and model\.\* fit .*skip_weights: \['model\."):
        loaded(here / "w.pt")
    # The same within one dictionary.
    torch.save(prefixed("ema.", ema) | prefixed("student.", trained.state_dict()), "w.pt")
    assert_equal(loaded(here / "w.pt", ("ema.*",)), trained.state_dict())
    with pytest.raises(UserError, match=r"ema\.\* and student\.\* fit the network equally well"):
        loaded(here / "w.pt")


def test_entries_outside_the_network_are_reported_not_dropped(
    here: Path, trained: nn.Module
) -> None:
    entries = prefixed("model.", trained.state_dict()) | {"loss.weight": torch.ones(3)}
    torch.save(entries, "w.pt")
    with pytest.raises(UserError, match=r"unexpected: loss\.weight\n.*model\.skip_weights"):
        loaded(here / "w.pt")
    assert_equal(loaded(here / "w.pt", ("loss.*",)), trained.state_dict())


def test_weights_of_another_network_keep_their_names_in_the_message(here: Path) -> None:
    torch.save({"state_dict": nn.Sequential(nn.Linear(2, 2)).state_dict()}, "w.pt")
    with pytest.raises(UserError, match=r"w\.pt: does not fit .*\n  m.*\n  unexp.* 0\.bias"):
        loaded(here / "w.pt")


class Trap:
    """Creates a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("sprung",)


class Settings:
    """An object of a user's project."""


def archive_of(content: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    """An archive as torch.save writes it, with another member instead of the tensor's data."""
    saved, new = io.BytesIO(), io.BytesIO()
    torch.save({"a": torch.zeros(len(content) // 4)}, saved)
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(new, "w", compression) as archive:
        for name in old.namelist():
            archive.writestr(name, content if name.endswith("data/0") else old.read(name))
    return new.getvalue()


def saved(content: Any, archive: bool = True) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=archive)
    return stream.getvalue()


def scripted() -> bytes:
    stream = io.BytesIO()
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)), stream)
    return stream.getvalue()


def exported() -> bytes:
    stream = io.BytesIO()
    torch.export.save(torch.export.export(nn.Linear(2, 2), (torch.ones(1, 2),)), stream)
    return stream.getvalue()


def arrays() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, weight=np.ones(3))
    return stream.getvalue()


WEIGHTS = nn.Linear(2, 2).state_dict()
BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "hostile": (
        lambda: saved({"w": Trap()}),
        r"reading posix\.mkdir could run code; .*torch\.save",
    ),
    "hostile, old": (lambda: saved({"w": Trap()}, archive=False), r"posix\.mkdir could run code"),
    "hostile pickle": (lambda: pickle.dumps(Trap(), 2), r"posix\.mkdir could run code"),
    "a network": (lambda: saved(nn.Linear(2, 2)), r"torch\.nn\.modules\.linear\.Linear could run"),
    "settings": (
        lambda: saved({"state_dict": WEIGHTS, "args": Settings()}),
        r"test_weight_files\.Settings could run code; where the network's code is, save the we",
    ),
    "arrays": (lambda: saved({"w": np.ones(3)}), r"numpy\.\S+ could run code"),
    "plain pickle": (lambda: pickle.dumps({"w": 1}), "not a file that torch.save wrote"),
    "truncated": (lambda: saved(WEIGHTS)[:-30], "not a file that torch.save wrote, or damaged"),
    "truncated, old": (lambda: saved(WEIGHTS, archive=False)[:-5], "or damaged: .*; write it ag"),
    "empty": (lambda: b"", "not a file that torch.save wrote, or damaged"),
    "noise": (lambda: bytes(range(256)) * 9, "not a file that torch.save wrote, or damaged"),
    "HDF5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(99), "not a file that torch.save wrote"),
    "safetensors": (lambda: save(WEIGHTS), "not a file that torch.save wrote"),
    "TorchScript": (scripted, r"a TorchScript archive, .*torch\.jit\.load\('w\.pt'\)"),
    "ExportedProgram": (exported, "an archive of another format"),
    "npz": (arrays, "an archive of another format"),
    "bomb": (
        lambda: archive_of(bytes(1 << 26), zipfile.ZIP_DEFLATED),
        r"an archive of \d+,\d+ bytes that contains more, expected one that is not compressed",
    ),
    "a list": (lambda: saved([torch.ones(2)]), "contains a list without named tensors"),
    "no tensors": (lambda: saved({"epoch": 3}), "contains a dict without named tensors"),
    "sparse": (lambda: saved({"w": torch.eye(2).to_sparse()}), r"w is a Tensor of .*sparse_coo"),
    "meta": (lambda: saved({"m": {"w": torch.ones(2, device="meta")}}), r"m\.w is .* on meta"),
}


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning")
@pytest.mark.parametrize("kind", BAD)
def test_bad_files_are_rejected_and_nothing_runs(here: Path, kind: str) -> None:
    make, message = BAD[kind]
    (here / "w.pt").write_bytes(make())
    with pytest.raises(UserError, match=rf"w\.pt: .*{message}") as caught:
        read_weights(here / "w.pt")
    assert not (here / "sprung").exists()
    assert "weights_only" not in str(caught.value)  # PyTorch's message advises to turn it off
    assert "\n" not in str(caught.value)


def test_the_trap_would_have_been_sprung(here: Path) -> None:
    (here / "w.pt").write_bytes(saved({"w": Trap()}))
    torch.load("w.pt", weights_only=False)
    assert (here / "sprung").is_dir()
