"""Runs a writer of results repeatedly, each time with another system call failing.

The process needs `shim.c`, compiled and preloaded.
"""

import contextlib
import ctypes
import errno
import io
import os
import shutil
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

UNFINISHED = Path("data/unfinished")
"""Where stages keep what a later run goes on from; removed before each fault: all start alike."""

SHIM = ctypes.CDLL(os.environ["LD_PRELOAD"])

Contents = Mapping[Path, bytes]


@dataclass(frozen=True)
class Fault:
    """Which call fails, and how.

    Attributes:
        first: Number of the call, from 1.
        error: The `errno` it fails with; 0 kills the process instead.
        lasting: Later calls fail too, unless they need no space: a disk stays full.
        exchanges: Whether the file system can exchange two folders.
    """

    first: int
    error: int
    lasting: bool = False
    exchanges: bool = True

    def __str__(self) -> str:
        kind = errno.errorcode[self.error] if self.error else "killed"
        after = " and all later ones" if self.lasting else ""
        return f"call {self.first}{after}: {kind}{'' if self.exchanges else ', two renames'}"


def kinds(call: int) -> list[Fault]:
    """The ways in which a call can fail."""
    return [
        Fault(call, errno.ENOSPC, lasting=True),
        Fault(call, 0),
        Fault(call, errno.EIO),
        Fault(call, errno.EACCES),
        Fault(call, 0, exchanges=False),
        Fault(call, errno.ENOSPC, exchanges=False),
    ]


def one_kind(call: int) -> list[Fault]:
    """These ways, one after the other."""
    ways = kinds(call)
    return [ways[call % len(ways)]]


@dataclass(frozen=True)
class Writer:
    """A program that writes into the current folder.

    Attributes:
        write: Ends as commands do, with `sys.exit(message)` if it fails.
        results: The files and folders it writes, each whole by itself.
        below: Calls on paths that start with one of these can fail.
        grows: The result that is written again and longer while the program runs, if any.
    """

    write: Callable[[], None]
    results: Sequence[Path]
    below: Sequence[str]
    grows: Path | None = None


def problems(writer: Writer, chosen: Callable[[int], Sequence[Fault]]) -> Iterator[str]:
    """What is wrong after a fault in each call; finally, how many calls there were."""
    if not all(result.exists() for result in writer.results):  # a tool, which nothing has run yet
        run(writer, None)
    alter(writer.results)
    old = contents(writer.results)
    message, n_calls = run(writer, None)
    new = contents(writer.results)
    if message or new == old or n_calls == 0:
        yield f"the writer cannot be tested: {message}"
        return
    for call in range(1, n_calls + 1):
        for fault in chosen(call):
            restore(writer.results, old)
            if fault.error:
                message, _ = run(writer, fault)
                found = [*wrong(writer, old, new), *wrong_with(message, writer, new)]
            else:
                run_in_child(writer, fault)
                found = [*wrong_after_a_kill(writer, fault, old, new)]
            yield from (f"{fault}: {problem}" for problem in found)
    yield f"{n_calls} calls"


def alter(results: Sequence[Path]) -> None:
    """Make older versions of results."""
    for result in results:
        file = result / "older" if result.is_dir() else result
        file.write_text("older")


def contents(results: Sequence[Path]) -> Contents:
    """Every file of results."""
    files = [f for result in results for f in (result, *result.rglob("*")) if f.is_file()]
    return {file: file.read_bytes() for file in files}


def restore(results: Sequence[Path], content: Contents) -> None:
    shutil.rmtree(UNFINISHED, ignore_errors=True)
    for result in results:
        shutil.rmtree(result) if result.is_dir() else result.unlink(missing_ok=True)
    for file, data in content.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def run(writer: Writer, fault: Fault | None) -> tuple[str, int]:
    """The message if it fails, and how many calls could have failed."""
    message = ""
    below = "".join(f"{Path(name).absolute()}:" for name in writer.below).encode()
    fault = fault or Fault(0, 0)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        SHIM.arm(below, fault.first, fault.error, fault.lasting, not fault.exchanges)
        try:
            writer.write()
        except SystemExit as end:
            message = str(end.code or "")
        except BaseException:
            message = traceback.format_exc()
        n_calls = SHIM.disarm()
    return message, n_calls


def run_in_child(writer: Writer, fault: Fault) -> None:
    if child := os.fork():
        os.waitpid(child, 0)
        return
    run(writer, fault)
    os._exit(0)


def wrong(writer: Writer, old: Contents, new: Contents) -> Iterator[str]:
    """What is wrong with the files left by a writer that was able to clean up."""
    for result in writer.results:
        if not is_whole(writer, result, old, new):
            yield f"{result} is neither the old one nor the new one"
    if partial := unfinished(writer):
        yield f"left behind: {partial}"


def wrong_with(message: str, writer: Writer, new: Contents) -> Iterator[str]:
    """What is wrong with the message."""
    if not message:
        if contents(writer.results) != new:
            yield "it ended as if all were well"
    elif not message.startswith("error: ") or "Traceback" in message:
        yield f"no message for users: {message}"
    else:
        named = Path(message.split(": ")[1])
        known = {*writer.results, *named.parents} & {*writer.results, UNFINISHED}
        if not known and not named.exists():
            yield f"a message that names no file: {message}"


def wrong_after_a_kill(writer: Writer, fault: Fault, old: Contents, new: Contents) -> Iterator[str]:
    """What is wrong with the files left by a killed writer, and after the next run."""
    for result in writer.results:
        between = not contents([result]) and not fault.exchanges  # two renames
        if not is_whole(writer, result, old, new) and not between:
            yield f"{result} is neither the old one nor the new one"
    message, _ = run(writer, None)
    if message or contents(writer.results) != new or unfinished(writer):
        yield f"the next run does not heal it: {message}; {unfinished(writer)}"


def is_whole(writer: Writer, result: Path, old: Contents, new: Contents) -> bool:
    """Whether a result is the old one or the new one, or the beginning of one that grows."""
    left = contents([result])
    if result == writer.grows and result in left and new[result].startswith(left[result]):
        return left[result].endswith(b"\n")
    return left in (of(result, old), of(result, new))


def of(result: Path, content: Contents) -> Contents:
    """The files of one result."""
    return {file: data for file, data in content.items() if result in (file, *file.parents)}


def unfinished(writer: Writer) -> list[Path]:
    return [p for folder in {r.parent for r in writer.results} for p in folder.glob("*.partial")]
