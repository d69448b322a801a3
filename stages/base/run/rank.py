"""Which rank this process is: one of several processes started by torchrun, or the only one."""

import os


def is_rank() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def wants_ranks() -> bool:
    """Whether LAUNCH asks for ranks that have yet to be started."""
    return bool(os.environ.get("LAUNCH", "").strip()) and not is_rank()


def rank() -> int:
    """Index of this process among all ranks of all hosts; 0 without torchrun."""
    return int(os.environ["RANK"]) if is_rank() else 0


def n_ranks() -> int:
    """Number of ranks on all hosts; 1 without torchrun."""
    return int(os.environ["WORLD_SIZE"]) if is_rank() else 1


def local_rank() -> int:
    """Index of this process among the ranks of this host; 0 without torchrun."""
    return int(os.environ["LOCAL_RANK"]) if is_rank() else 0
