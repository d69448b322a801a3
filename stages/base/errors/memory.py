"""Recognises out-of-memory errors of any library, and measures free memory."""

from pathlib import Path

_CONTAINER = Path("/sys/fs/cgroup")
_MESSAGES = (
    "out of memory",
    "can't allocate memory",
    "Cannot allocate memory",
    "bad_alloc",
    "failed to map segment from shared object",
    "could not create a primitive",  # oneDNN, in PyTorch's convolutions; no other details
    "can't start new thread",  # Python; there is no memory for its stack
    "without setting an exception",  # Python, where memory ends inside C code
    "error return without exception set",  # likewise
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether NumPy, Python or PyTorch ran out of memory; libraries may wrap their error."""
    return _cause(error) is not None


def out_of_memory_message(error: BaseException, needs_less: str) -> str:
    """The message for a user whose memory is full.

    Args:
        error: An error that `is_out_of_memory` recognised.
        needs_less: What to use instead, and the parameters that set it.
    """
    cause = _cause(error) or error
    reason = str(cause).splitlines()[0] if str(cause) else "no details"
    return f"not enough memory ({reason}); use {needs_less}"


def require_free_memory(n_bytes: int, consumer: str) -> None:
    """Raise an error before memory is full, because then the system would kill the process.

    Args:
        n_bytes: Memory that will be needed at once.
        consumer: What needs it, in the plural, for the message.

    Raises:
        MemoryError: Less memory is free.
    """
    free = free_memory()
    if free is not None and n_bytes > free:
        needed, available = (f"{number / (1 << 30):,.1f} GiB" for number in (n_bytes, free))
        raise MemoryError(f"{consumer} need {needed}, and {available} are free")


def free_memory() -> int | None:
    """Free bytes of memory and swap, within the limit of a container; None if not on Linux."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        kib = {name: int(rest.split()[0]) for name, rest in (line.split(":") for line in lines)}
        free = (kib["MemAvailable"] + kib["SwapFree"]) << 10
        limit = _CONTAINER / "memory.max"
        container_limit = limit.read_text(encoding="ascii").strip() if limit.exists() else "max"
        if container_limit == "max":
            return free
        return min(free, int(container_limit) - _used_in_container())
    except (OSError, KeyError, ValueError):
        return None


def _cause(error: BaseException | None) -> BaseException | None:
    """The first out-of-memory error of a chain; some are recognised only by their message."""
    while error is not None:
        by_message = isinstance(error, RuntimeError | OSError | ImportError | SystemError)
        if isinstance(error, MemoryError) or (
            by_message and any(w in str(error) for w in _MESSAGES)
        ):
            return error
        error = error.__cause__ or error.__context__
    return None


def _used_in_container() -> int:
    """Bytes, without cached files, which the system drops when it needs memory."""
    used = int((_CONTAINER / "memory.current").read_text("ascii"))
    lines = (_CONTAINER / "memory.stat").read_text("ascii").splitlines()
    statistics = dict(line.split() for line in lines)
    return used - int(statistics["active_file"]) - int(statistics["inactive_file"])
