"""Which devices this machine has."""


def available_devices() -> list[str]:
    """Names of this machine's devices that PyTorch can use."""
    import torch  # takes a second that most stages need not wait for: not at the top

    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return ["cpu", *(["cuda", *cuda] if cuda else []), *mps]
