"""The device of tensors, and the process-wide settings for it."""

import contextlib
import ctypes
import os

import torch

from stages.base.errors.user import UserError
from stages.base.params.devices import available_devices
from stages.base.run.rank import local_rank, n_ranks


def choose_device(name: str) -> torch.device:
    """The device that the parameter `device` names; each rank gets its own GPU.

    Args:
        name: `auto` (cuda, else mps, else cpu), or a device of this machine; reading
            `params.yaml` has checked that.

    Raises:
        UserError: This host has more ranks than GPUs.
    """
    if name == "auto":
        known = available_devices()
        name = next(kind for kind in ("cuda", "mps", "cpu") if kind in known)
    if n_ranks() > 1 and name != "cpu":
        return _own_gpu(name)
    return torch.device(name)


def _own_gpu(name: str) -> torch.device:
    own = f"cuda:{local_rank()}"
    if name != "cuda":
        raise UserError(f"device: must be auto, cpu or cuda for several ranks (got {name})")
    if own not in available_devices():
        raise UserError(
            f"LAUNCH: needs a GPU for each rank, and this host has {torch.cuda.device_count()}; "
            "choose a smaller --nproc-per-node, or device: cpu"
        )
    return torch.device(own)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the hardware multiplies bfloat16; what does not emulates it, which is slow."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":  # avx512_bf16, amx_bf16, …
        return any(has for name, has in torch.cpu.get_capabilities().items() if "bf16" in name)
    return True


def configure_process_for(device: torch.device) -> None:
    """Make CUDA's kernels deterministic; on other devices, tune the memory allocator.

    Args:
        device: From `choose_device`.
    """
    if device.type == "cuda":  # CPU kernels are deterministic by default
        if n_ranks() > 1:
            torch.cuda.set_device(device)
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    else:
        _keep_freed_memory_in_process()


def _keep_freed_memory_in_process() -> None:
    """Have glibc keep freed memory instead of returning it to the system.

    Activations of several megabytes are allocated and freed at every step. Getting them from the
    system each time took a third to a half of the time of a training step of `convnet`.
    """
    trim_threshold, mmap_threshold = -1, -3  # numbers of the options in glibc's malloc.h
    with contextlib.suppress(OSError, AttributeError):  # another C library: leave its settings
        malloc_option = ctypes.CDLL(None).mallopt
        malloc_option(trim_threshold, -1)
        malloc_option(mmap_threshold, 32 << 20)  # the largest that glibc takes
