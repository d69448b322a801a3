"""How a case may end: in a right result, or in a message. And bytes that were valid once."""

import signal
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from hypothesis import strategies as st

from stages.base.errors.user import UserError

HANG_S = 30  # the slowest case takes a second, and machines differ
SLACK_BYTES = 2 << 20  # what loaders need whatever the file: buffers, messages, names
LONGEST_MESSAGE = 25_000

# Python does not show these to users, unless asked to.
_UNSEEN = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)

Loaded = TypeVar("Loaded")


def refusal_or(load: Callable[[], Loaded], most_bytes: int) -> Loaded | UserError:
    """Load as a stage does.

    Args:
        load: Any exception but a `UserError` goes through, and so fails the test.
        most_bytes: What it may allocate, above `SLACK_BYTES`; NumPy tells tracemalloc of arrays.

    Returns:
        What was loaded, or the error whose message a stage prints.
    """
    loaded, peak = _measured(load)
    if peak > most_bytes + SLACK_BYTES:  # the first case of all also imports: once more
        loaded, peak = _measured(load)
    assert peak <= most_bytes + SLACK_BYTES, f"{peak:,} bytes, allowed {most_bytes:,}"
    if isinstance(loaded, UserError):
        _require_helpful(str(loaded))
    return loaded


def _measured(load: Callable[[], Loaded]) -> tuple[Loaded | UserError, int]:
    """What was loaded, and how much was allocated at most."""
    with warnings.catch_warnings(record=True) as caught, _no_hang():
        warnings.simplefilter("always")
        for category in _UNSEEN:
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
        raise TimeoutError(f"hangs: not done after {HANG_S} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(HANG_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def counted(split: Any) -> list[tuple[int, tuple[int, ...], bytes]]:
    """Labelled images in an order of their own."""
    return sorted(
        (int(label), image.shape, image.tobytes())
        for image, label in zip(split.images, split.labels, strict=True)
    )


_NUMBERS = (0, 1, 2, 127, 128, 255, 1 << 15, (1 << 16) - 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)


@st.composite
def damaged(draw: st.DrawFn, sound: bytes) -> bytes:
    """Bytes after one to three accidents; the start of a file, its header, has more than others."""
    content = sound
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, min(len(content), 64)) | st.integers(0, len(content)))
        content = content[:at] + draw(_accident(content[at:]))
    return content


def _accident(rest: bytes) -> st.SearchStrategy[bytes]:
    """What may become of the bytes behind a position."""
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
