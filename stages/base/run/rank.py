"""Which of several processes this is, as torchrun tells it."""

import os


def is_rank() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def rank() -> int:
    """Number of this process among all ranks of all hosts; 0 if it is the only one."""
    return int(os.environ["RANK"]) if is_rank() else 0


def n_ranks() -> int:
    """Number of ranks on all hosts; 1 without torchrun."""
    return int(os.environ["WORLD_SIZE"]) if is_rank() else 1


def local_rank() -> int:
    """Number of this process among the ranks of this host."""
    return int(os.environ["LOCAL_RANK"]) if is_rank() else 0


def wants_ranks() -> bool:
    """Whether LAUNCH asks for ranks, and this process is not one of them."""
    return bool(os.environ.get("LAUNCH", "").strip()) and not is_rank()
