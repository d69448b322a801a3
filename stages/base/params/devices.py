"""Finds the devices of this machine."""


def available_devices() -> list[str]:
    """Names of the devices of this machine that PyTorch can use."""
    import torch  # not at the top: it takes a second, which reading most parameters does not need

    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return ["cpu", *(["cuda", *cuda] if cuda else []), *mps]
