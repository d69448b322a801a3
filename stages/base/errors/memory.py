"""Recognises out-of-memory errors of any library, and says what needs less."""

from pathlib import Path

_CONTAINER = Path("/sys/fs/cgroup")
_WORDS = (
    "out of memory",
    "can't allocate memory",
    "Cannot allocate memory",
    "bad_alloc",
    "failed to map segment from shared object",
    "could not create a primitive",  # oneDNN, PyTorch's convolutions; it says no more
    "can't start new thread",  # Python; its stack is what finds no room
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether NumPy, Python or PyTorch found no memory; libraries may wrap their error."""
    return _cause(error) is not None


def out_of_memory_message(error: BaseException, needs_less: str) -> str:
    """The message for it.

    Args:
        error: What `is_out_of_memory` recognised.
        needs_less: What to use instead, and the parameters that set it.
    """
    cause = _cause(error) or error
    reason = str(cause).splitlines()[0] if str(cause) else "no details"
    return f"not enough memory ({reason}); use {needs_less}"


def _cause(error: BaseException | None) -> BaseException | None:
    """The first error of a chain that is for want of memory; some say so in words alone."""
    while error is not None:
        in_words = isinstance(error, RuntimeError | OSError | ImportError)
        if isinstance(error, MemoryError) or (in_words and any(w in str(error) for w in _WORDS)):
            return error
        error = error.__cause__ or error.__context__
    return None


def require_free_memory(n_bytes: int, what: str) -> None:
    """Stop before the system would kill the process, as it does when all memory is full.

    Args:
        n_bytes: How much will be needed at once.
        what: Needs it.

    Raises:
        MemoryError: There is less.
    """
    free = free_memory()
    if free is not None and n_bytes > free:
        needed, there = (f"{number / (1 << 30):,.1f} GiB" for number in (n_bytes, free))
        raise MemoryError(f"{what} need {needed}, and {there} are free")


def free_memory() -> int | None:
    """Bytes of memory and swap that are free, in a container of what it may have.

    None where the system does not say, as Linux does.
    """
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        kib = {name: int(rest.split()[0]) for name, rest in (line.split(":") for line in lines)}
        free = (kib["MemAvailable"] + kib["SwapFree"]) << 10
        limit = _CONTAINER / "memory.max"
        most = limit.read_text(encoding="ascii").strip() if limit.exists() else "max"
        return free if most == "max" else min(free, int(most) - _used_in_container())
    except (OSError, KeyError, ValueError):
        return None


def _used_in_container() -> int:
    """Bytes, without copies of files, which the system drops when it needs room."""
    used = int((_CONTAINER / "memory.current").read_text("ascii"))
    lines = (_CONTAINER / "memory.stat").read_text("ascii").splitlines()
    statistics = dict(line.split() for line in lines)
    return used - int(statistics["active_file"]) - int(statistics["inactive_file"])
