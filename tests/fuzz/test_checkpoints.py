"""Files of weights, and checkpoints of train: loaded unchanged, or rejected."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.torch import save
from torch import Tensor, nn

from stages.base.errors.user import UserError
from stages.networks.build import build_network
from stages.networks.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from stages.training.initial.network import load_weights
from tests.factory import dataset_info

from .cases import damaged, refusal_or

pytestmark = pytest.mark.fuzz

INFO = dataset_info("abc", (8, 8), mean=0.2)
OPTIONS = {"widths": [2], "blocks": 1}
FOLDER = Path("model")
DTYPES = [torch.float64, torch.float16, torch.bfloat16, torch.int8, torch.bool, torch.complex64]
DTYPES += [torch.float8_e4m3fn, torch.float8_e8m0fnu, torch.uint16, torch.int64]
NUMPY = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8"}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return build_network("resnet", INFO, OPTIONS)


ENTRIES = network().state_dict()
SOUND = save(ENTRIES)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Weights with entries that are renamed, missing, reshaped, of another type or not finite."""
    entries = dict(ENTRIES)
    for name in draw(st.lists(st.sampled_from(sorted(entries)), max_size=3, unique=True)):
        tensor = entries.pop(name)
        match draw(st.sampled_from(["gone", "renamed", "shape", "dtype", "values", "type"])):
            case "renamed":
                entries[draw(st.sampled_from([f"1.{name}", name[2:], "", "ü", "x" * 5000]))] = (
                    tensor
                )
            case "shape":
                shape = draw(st.lists(st.integers(0, 3), max_size=5))
                entries[name] = torch.zeros(shape)
            case "dtype":
                entries[name] = tensor.to(draw(st.sampled_from(DTYPES)))
            case "values":
                value = draw(st.floats(width=32))
                entries[name] = torch.full(tensor.shape, value)
    prefix = draw(st.sampled_from(["", "own."]))
    return save({prefix + name: tensor for name, tensor in entries.items()})


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """Weights with a wrong header."""
    size = int.from_bytes(SOUND[:8], "little")
    header, data = json.loads(SOUND[8 : 8 + size]), SOUND[8 + size :]
    name = draw(st.sampled_from(sorted(header)))
    field = draw(st.sampled_from(["dtype", "shape", "data_offsets", "more"]))
    values: dict[str, list[Any]] = {
        "dtype": ["F64", "F16", "I8", "U32", "F4", "F8_E4M3", "BOOL", "C64", "X", 3, None],
        "shape": [[], [0], [1 << 40], [1 << 62, 1 << 62], [-1], [3.5], "x", [1] * 200],
        "data_offsets": [[0, 0], [0, 1 << 62], [5, 4], [-1, 3], [len(data), len(data)], []],
        "more": [1, "x" * 5000, None],
    }
    header[name][field] = draw(st.sampled_from(values[field]))
    if draw(st.booleans()):
        header["__metadata__"] = draw(st.sampled_from([{"a": "b"}, {"a": 1}, [], "x"]))
    text = json.dumps(header).encode()
    stated = draw(st.just(len(text)) | st.sampled_from([0, 1, 1 << 20, 1 << 62, (1 << 64) - 1]))
    return stated.to_bytes(8, "little") + text + data


DOUBLE = save(ENTRIES | {name: ENTRIES[name].double() for name in ("0.mean", "0.scale")})
BYTES = save({name: tensor.to(torch.int8) for name, tensor in ENTRIES.items()})
COUNT = "1.1.num_batches_tracked"
COMPLEX = save(ENTRIES | {COUNT: ENTRIES[COUNT].to(torch.complex64)})
WEIGHTS = files() | headers() | damaged(SOUND) | st.binary() | st.just(b"\x80\x04K\x01.")


@given(WEIGHTS)
@example(DOUBLE)
@example(BYTES)
@example(COMPLEX)
@example(SOUND[:-1])
def test_weights_are_loaded_unchanged_or_rejected(here: Path, content: bytes) -> None:
    file = here / "own.safetensors"
    file.write_bytes(content)
    filled = network()
    loaded = refusal_or(lambda: load_weights(filled, file, []), 2 * len(content))
    if not isinstance(loaded, UserError):
        assert_holds(filled[1].state_dict(), content)


def pickled(archive: bool) -> bytes:
    stream = io.BytesIO()
    torch.save({"state_dict": ENTRIES}, stream, _use_new_zipfile_serialization=archive)
    return stream.getvalue()


ARCHIVE, OLD_PICKLE = pickled(archive=True), pickled(archive=False)


@given(damaged(ARCHIVE) | damaged(OLD_PICKLE) | st.binary())
@example(ARCHIVE)
@example(OLD_PICKLE)
@example(OLD_PICKLE[:-1])
@example(OLD_PICKLE.replace(b"X\r\x00\x00\x00little", b"X\r\x00\x00\x80little"))
def test_pickled_weights_are_loaded_or_rejected(here: Path, content: bytes) -> None:
    file = here / "own.pt"
    file.write_bytes(content)
    filled = network()
    loaded = refusal_or(lambda: load_weights(filled, file, []), 2 * len(content))
    if content in (ARCHIVE, OLD_PICKLE):
        assert not isinstance(loaded, UserError)
        for name, tensor in filled[1].state_dict().items():
            assert torch.equal(tensor, ENTRIES[f"1.{name}"])


@given(WEIGHTS)
@example(DOUBLE)
@example(BYTES)
@example(SOUND[:-1])
def test_checkpoints_are_loaded_unchanged_or_rejected(here: Path, content: bytes) -> None:
    save_checkpoint(Checkpoint(network(), "resnet", OPTIONS, INFO, {}), FOLDER)
    (FOLDER / "weights.safetensors").write_bytes(content)
    checkpoint = refusal_or(lambda: load_checkpoint(torch.device("cpu"), FOLDER), 2 * len(content))
    if not isinstance(checkpoint, UserError):
        assert_holds(checkpoint.network.state_dict(), content)


def assert_holds(state: Mapping[str, Tensor], content: bytes) -> None:
    """Assert that each entry is as NumPy reads it from the bytes, with any prefix in the file."""
    size = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    for name, tensor in state.items():
        keys = [key for key in header if key.endswith(name)]
        if not keys and name.endswith("num_batches_tracked"):  # missing in old files
            continue
        key = max(keys, key=len)
        start, end = header[key]["data_offsets"]
        if header[key]["dtype"] in NUMPY:
            stored = np.frombuffer(data[start:end], NUMPY[header[key]["dtype"]])
            with np.errstate(over="ignore"):  # float64 has a larger range than float32
                expected = stored.astype(tensor.numpy().dtype).reshape(header[key]["shape"])
            np.testing.assert_array_equal(tensor.numpy(), expected, strict=True)


RECORD = json.dumps(
    {"architecture": "resnet", "info": vars(INFO), "options": OPTIONS, "parameters": {}}
)
VALUES = st.sampled_from([None, 0, -1, 1.5, "", "x", [], {}, [None], ["a"], True, {"a": 1}])


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Descriptions of a network with fields of other types, missing fields or extra ones."""
    record = json.loads(RECORD)
    for _ in range(draw(st.integers(1, 2))):
        section = draw(st.sampled_from([record, record["info"]] if "info" in record else [record]))
        name = draw(st.sampled_from([*sorted(section), "more"]))
        if draw(st.booleans()):
            section.pop(name, None)
        elif name != "info":
            section[name] = draw(VALUES)
    return json.dumps(record).encode()


@given(records() | damaged(RECORD.encode()) | st.binary())
def test_damaged_descriptions_of_checkpoints_are_rejected(here: Path, content: bytes) -> None:
    save_checkpoint(Checkpoint(network(), "resnet", OPTIONS, INFO, {}), FOLDER)
    (FOLDER / "network.json").write_bytes(content)
    checkpoint = refusal_or(lambda: load_checkpoint(torch.device("cpu"), FOLDER), len(SOUND))
    if not isinstance(checkpoint, UserError):
        assert_holds(checkpoint.network.state_dict(), SOUND)
        info = json.loads(content)["info"]
        for name, value in vars(checkpoint.info).items():
            stated = info.get(name, getattr(type(checkpoint.info), name, None))  # or the default
            assert value == (tuple(stated) if isinstance(value, tuple) else stated)
