"""Runs fuzz cases, which must give a correct result or a message; damages valid bytes."""

import signal
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from hypothesis import strategies as st

from stages.base.errors.user import UserError

HANG_S = 30  # seconds; the slowest case takes one, and machines differ
SLACK_BYTES = 2 << 20  # allowance for any file: buffers, messages, names
LONGEST_MESSAGE = 25_000

# By default, Python hides these from users.
_HIDDEN = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)

Loaded = TypeVar("Loaded")


def refusal_or(load: Callable[[], Loaded], most_bytes: int) -> Loaded | UserError:
    """Load as a stage does.

    Args:
        load: Any exception except `UserError` is passed on and fails the test.
        most_bytes: Memory that it may allocate above `SLACK_BYTES`, including NumPy arrays.

    Returns:
        The loaded value, or the error whose message a stage prints.
    """
    loaded, peak = _measured(load)
    if peak > most_bytes + SLACK_BYTES:  # the very first case also imports modules: run it again
        loaded, peak = _measured(load)
    assert peak <= most_bytes + SLACK_BYTES, f"{peak:,} bytes, allowed {most_bytes:,}"
    if isinstance(loaded, UserError):
        _require_helpful(str(loaded))
    return loaded


def _measured(load: Callable[[], Loaded]) -> tuple[Loaded | UserError, int]:
    """The loaded value or the error, and the peak of allocated bytes."""
    with warnings.catch_warnings(record=True) as caught, _no_hang():
        warnings.simplefilter("always")
        for category in _HIDDEN:
            warnings.simplefilter("ignore", category)
        tracemalloc.start()
        try:
            loaded: Loaded | UserError = load()
        except UserError as error:
            loaded = error
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    assert [str(warning.message) for warning in caught] == []
    return loaded, peak


def _require_helpful(message: str) -> None:
    assert ": " in message
    assert len(message) < LONGEST_MESSAGE
    assert "; fix that file" not in message, message  # the data is wrong, not a plug-in


@contextmanager
def _no_hang() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TimeoutError(f"hangs: not finished after {HANG_S} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(HANG_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def counted(split: Any) -> list[tuple[int, tuple[int, ...], bytes]]:
    """Labelled images, sorted, to compare splits regardless of their order."""
    return sorted(
        (int(label), image.shape, image.tobytes())
        for image, label in zip(split.images, split.labels, strict=True)
    )


_NUMBERS = (0, 1, 2, 127, 128, 255, 1 << 15, (1 << 16) - 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)


@st.composite
def damaged(draw: st.DrawFn, valid: bytes) -> bytes:
    """Valid bytes after one to three accidents, more of them in the header at the start."""
    content = valid
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, min(len(content), 64)) | st.integers(0, len(content)))
        content = content[:at] + draw(_accident(content[at:]))
    return content


def _accident(rest: bytes) -> st.SearchStrategy[bytes]:
    """Possible replacements for the bytes after a position."""
    return st.one_of(
        st.just(b""),  # cut
        st.integers(1, 255).map(lambda mask: bytes(b ^ mask for b in rest[:1]) + rest[1:]),
        st.integers(1, 40).map(lambda n: rest[n:]),  # dropped
        st.integers(1, 40).map(lambda n: rest[:n] + rest),  # doubled
        st.binary(min_size=1, max_size=16).map(lambda new: new + rest),
        st.binary(min_size=1, max_size=16).map(lambda new: new + rest[len(new) :]),
        st.tuples(
            st.sampled_from(_NUMBERS), st.sampled_from((2, 4)), st.sampled_from(("big", "little"))
        ).map(lambda number: _number(*number) + rest[number[1] :]),
    )


def _number(value: int, size: int, order: Any) -> bytes:
    return (value % (1 << 8 * size)).to_bytes(size, order)
