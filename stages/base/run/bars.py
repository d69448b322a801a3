"""Progress bars that also print, once, what work costs that takes over ten seconds.

Bars are drawn on a terminal only; the line is printed everywhere.
"""

import resource
import sys
import time
from collections.abc import Collection, Iterator
from typing import Generic, Self, TypeVar

from tqdm import tqdm

from stages.base.run.rank import rank

# Work that the estimate is based on, after the first pieces: what is compiled or loaded for these
# is not done again. A single piece may take longer.
_MEASURED_S = 2.0
_WORTH_SAYING_S = 10.0

Item = TypeVar("Item")


class ProgressBar(Generic[Item]):
    """A bar that counts pieces of work, in a loop over `items` or by `update`.

    After the first pieces it prints how long all of them will take, if that is over ten seconds,
    and how much memory the process has needed so far.

    Args:
        items: What the loop is over; empty if the work is counted by `update`.
        desc: What is being done, as in `train`.
        unit: What a piece is, in the singular.
        total: Number of pieces; None for that of `items`.
        initial: How many of them were done before.
    """

    def __init__(
        self,
        items: Collection[Item] = (),
        *,
        desc: str,
        unit: str,
        total: int | None = None,
        initial: int = 0,
    ) -> None:
        self._items, self._desc, self._unit = items, desc, unit
        total = len(items) if total is None else total
        self._start, self._count, self._n_pieces = time.perf_counter(), 0, total - initial
        self._first: tuple[float, int] | None = None  # seconds that the first update took, pieces
        self._estimated = rank() > 0  # the first rank speaks for all
        self._bar = tqdm(
            desc=desc,
            unit=unit,
            total=total,
            initial=initial,
            leave=False,
            delay=1,
            mininterval=0.5,
            disable=None,
        )

    def __iter__(self) -> Iterator[Item]:
        with self:
            for item in self._items:
                yield item
                self.update()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def update(self, n: int = 1) -> None:
        """Count n more pieces."""
        self._count += n
        self._bar.update(n)
        if self._estimated or self._count == 0:
            return
        elapsed = time.perf_counter() - self._start
        if self._first is None:
            self._first = elapsed, self._count
        else:
            self._estimate(elapsed, *self._first)

    def show(self, n: int) -> None:
        """Draw the bar at n pieces, some of which other processes may have done."""
        self._bar.n = n

    def write(self, line: str) -> None:
        """Print a line above the bar."""
        self._bar.write(line)

    def _estimate(self, elapsed: float, first_s: float, n_first: int) -> None:
        if elapsed - first_s < _MEASURED_S:
            return
        self._estimated = True
        rate = (elapsed - first_s) / (self._count - n_first)
        seconds = first_s + rate * (self._n_pieces - n_first)
        if seconds > _WORTH_SAYING_S and self._count < self._n_pieces:
            unit = self._unit + ("es" if self._unit.endswith("s") else "s")
            memory = peak_memory() / 1e9
            self.write(
                f"{self._desc}: {self._n_pieces:,} {unit}, about {duration(seconds)}, "
                f"{memory:.1f} GB of memory"
            )


def duration(seconds: float) -> str:
    """A time with at most two significant digits, as in `45 s`, `3.5 min` or `2 h`."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{_rounded(seconds / size)} {unit}"
    return f"{_rounded(seconds)} s"


def peak_memory() -> int:
    """The most memory in bytes that this process has needed so far."""
    kib_or_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kib_or_bytes if sys.platform == "darwin" else kib_or_bytes << 10


def _rounded(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0") if number < 10 else f"{float(f'{number:.2g}'):.0f}"
