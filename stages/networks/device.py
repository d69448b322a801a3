"""Where tensors live, and the process-wide settings that go with it."""

import contextlib
import ctypes
import os

import torch

from stages.core.errors import UserError


def choose_device(name: str) -> torch.device:
    """The device that the parameter `device` names.

    Args:
        name: `auto` (cuda, else mps, else cpu), `cpu`, `cuda`, `cuda:<index>` or `mps`.

    Raises:
        UserError: This machine has no such device; lists those it has.
    """
    known = available_devices()
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if kind in known)
    if name not in known:
        raise UserError(
            f"device: on this machine, must be one of auto, {', '.join(known)} (got {name!r})"
        )
    return torch.device(name)


def configure_process_for(device: torch.device) -> None:
    """Make CUDA's kernels repeatable; on other devices, tune the allocator of this process."""
    if device.type == "cuda":  # CPU kernels are repeatable as they are
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    else:
        _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Have glibc keep what is freed instead of returning it to the system.

    Activations of several megabytes are allocated and freed at every step. Fetched from the system
    anew, page by page, they took a third to a half of the time of a training step of `convnet`.
    """
    trim_threshold, mmap_threshold = -1, -3  # numbers of the options in glibc's malloc.h
    with contextlib.suppress(OSError, AttributeError):  # another C library: left as it is
        malloc_option = ctypes.CDLL(None).mallopt
        malloc_option(trim_threshold, -1)
        malloc_option(mmap_threshold, 32 << 20)  # the largest that glibc takes


def available_devices() -> list[str]:
    """Names of this machine's devices that PyTorch can use."""
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return ["cpu", *(["cuda", *cuda] if cuda else []), *mps]
