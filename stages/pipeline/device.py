"""Where tensors live."""

import os

import torch

from stages.pipeline.errors import UserError


def choose_device(name: str) -> torch.device:
    """Turn the parameter `device` into a device that is there, and make its kernels repeatable.

    Args:
        name: `auto` (cuda, else mps, else cpu), `cpu`, `cuda`, `cuda:<index>` or `mps`.

    Raises:
        UserError: The device is not there; names those that are.
    """
    known = available_devices()
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if kind in known)
    if name not in known:
        raise UserError(f"device: not on this machine (got {name}); here: auto, {', '.join(known)}")
    device = torch.device(name)
    if device.type == "cuda":  # the kernels that are used on a processor repeat as they are
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    return device


def available_devices() -> list[str]:
    """Names of the devices of this machine that PyTorch can use."""
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return ["cpu", *(["cuda", *cuda] if cuda else []), *mps]
