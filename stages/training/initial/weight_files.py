"""Reads files of weights: .safetensors, and what torch.save wrote, if it holds only tensors."""

import mmap
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load
from torch import Tensor, nn

from stages.base.errors.memory import is_out_of_memory
from stages.base.errors.user import UserError, shortened

Entries = Mapping[str, Tensor]

_ARCHIVE = b"PK\x03\x04"
"""How an archive begins, which torch.save writes since PyTorch 1.6."""

_FORBIDDEN = re.compile(r"GLOBAL (\S+) (?:was not an allowed global|whose module)")


def read_weights(file: Path) -> Mapping[str, Entries]:
    """The dictionaries of tensors in a file; nothing in it is run.

    Args:
        file: A .safetensors file, or one written by torch.save.

    Returns:
        Named tensors, by where they are in the file: "" for those at the top, `state_dict.` for
        those in a dictionary of that name.

    Raises:
        UserError: The file cannot be read, is damaged, would have to run code, is compressed, or
            contains no plain tensors.
    """
    if file.suffix == ".safetensors":
        return {"": _loaded(file, lambda: load(file.read_bytes()), "a .safetensors file")}
    _loaded(file, lambda: _require_plain_archive(file), "a file that torch.save wrote")
    content = _loaded(file, lambda: _torch_load(file), "a file that torch.save wrote")
    top = content if isinstance(content, Mapping) else {}
    inner = {f"{key}.": value for key, value in top.items() if isinstance(value, Mapping)}
    tensors = {path: _tensors(entries) for path, entries in {"": top, **inner}.items()}
    found = {path: entries for path, entries in tensors.items() if entries}
    if not found:
        raise UserError(
            f"{file}: contains a {type(content).__name__} without named tensors, expected a "
            f"dictionary of tensors; {_advice(file)}"
        )
    for path, entries in found.items():
        for name, tensor in entries.items():
            _require_plain(tensor, f"{path}{name}", file)
    return found


def _loaded(file: Path, read: Callable[[], Any], expected: str) -> Any:
    try:
        return read()
    except UserError:
        raise
    except OSError as error:  # a folder, or a file that DVC has not restored yet
        reason = error.strerror or error
        raise UserError(
            f"{file}: cannot be read: {reason}; run dvc checkout, or dvc pull"
        ) from None
    except Exception as error:  # damaged content can raise any exception
        if is_out_of_memory(error):
            raise
        if found := _FORBIDDEN.search(str(error)):
            raise UserError(
                f"{file}: contains more than tensors, and reading {found[1]} could run code; "
                f"{_advice(file)}"
            ) from None
        reason = _first_line(str(error).rpartition("WeightsUnpickler error:")[2])
        raise UserError(f"{file}: not {expected}, or damaged: {reason}; write it again") from None


def _first_line(reason: str) -> str:
    """What a library says, without its advice to unpickle the file."""
    line = reason.strip().partition("\n")[0]
    return "a pickle of an unknown kind" if "weights_only" in line else shortened(line)


def _torch_load(file: Path) -> Any:
    with (
        file.open("rb") as opened,
        mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # of deprecated types in old files
        # A damaged length in an old pickle cannot ask a mapping for more bytes than the file has.
        content: Any = file if mapped[: len(_ARCHIVE)] == _ARCHIVE else mapped
        return torch.load(content, map_location="cpu", weights_only=True)


def _require_plain_archive(file: Path) -> None:
    """Reject archives of other formats, and compressed ones, which could fill the memory."""
    if not zipfile.is_zipfile(file):
        return  # perhaps of a PyTorch before 1.6, which wrote no archives
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
    names = {Path(member.filename).name for member in members}
    if "constants.pkl" in names:
        raise UserError(
            f"{file}: a TorchScript archive, which contains code; if you trust it, save its "
            f"weights alone: torch.save(torch.jit.load({file.name!r}).state_dict(), 'weights.pt')"
        )
    if "data.pkl" not in names:
        raise UserError(
            f"{file}: an archive of another format, expected one that torch.save wrote; "
            f"{_advice(file)}"
        )
    n_bytes = file.stat().st_size
    if sum(member.file_size for member in members) > n_bytes:
        raise UserError(
            f"{file}: an archive of {n_bytes:,} bytes that contains more, expected one that is not "
            f"compressed; {_advice(file)}"
        )


def _tensors(entries: Mapping[Any, Any]) -> dict[str, Tensor]:
    return {
        name: value
        for name, value in entries.items()
        if isinstance(name, str) and isinstance(value, Tensor)
    }


def _require_plain(tensor: Tensor, name: str, file: Path) -> None:
    plain = type(tensor) in (Tensor, nn.Parameter) and tensor.layout is torch.strided
    if not plain or tensor.is_quantized or tensor.device.type != "cpu":
        raise UserError(
            f"{file}: {shortened(name)} is a {type(tensor).__name__} of {tensor.dtype}, "
            f"{tensor.layout} on {tensor.device}, expected plain numbers; save it as float32"
        )


def _advice(file: Path) -> str:
    return (
        "where the network's code is, save the weights alone: "
        f"torch.save(network.state_dict(), {file.name!r})"
    )
