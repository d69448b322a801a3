"""Finds test images by their names."""

from collections.abc import Mapping, Sequence

import numpy as np

from stages.artifacts.splits import Names, SplitName
from stages.base.errors.user import UserError
from stages.base.params.messages import did_you_mean
from stages.params.explain import CHOICES

MOST_SUGGESTED = 3


def positions_of(
    wanted: Sequence[str], names: Names, not_tested: Mapping[SplitName, Names]
) -> list[int]:
    """The positions of images with these names; numbers count as names in digits.

    Args:
        wanted: Names.
        names: Names of the test images (n,).
        not_tested: Names in the other splits, by split.

    Raises:
        UserError: Some are not in the test split; says of each where it is, or the closest name.
    """
    if not wanted:
        return []  # before the names, perhaps a million, are read
    known = names.astype(np.str_, copy=False)
    found = [np.flatnonzero(known == name) for name in wanted]
    unknown = [name for name, places in zip(wanted, found, strict=True) if not len(places)]
    if unknown:
        lines = [_no_such_image(name, names, not_tested) for name in dict.fromkeys(unknown)]
        raise UserError("\n".join(f"explain.images: {line}" for line in lines))
    return [int(places[0]) for places in found]


def _no_such_image(name: str, names: Names, not_tested: Mapping[SplitName, Names]) -> str:
    for split, others in not_tested.items():
        if (others.astype(np.str_, copy=False) == name).any():
            return f"{name} is an image of the {split} split; only those of test are explained"
    known = [] if np.issubdtype(names.dtype, np.integer) else names.tolist()  # no number is close
    same_file = [other for other in known if f"/{name}".endswith(f"/{other}")]
    same_file += [other for other in known if other.endswith(f"/{name}")]
    if same_file:
        suggestion = f"; did you mean {' or '.join(same_file[:MOST_SUGGESTED])}?"
    else:
        suggestion = did_you_mean(name, [*known, *CHOICES])
    such_as = f"; names are such as {names[0]}"
    return f"no test image is called {name!r}{suggestion or such_as}"


def require_positions(positions: Sequence[int], names: Names) -> None:
    """Reject positions outside the test split.

    Args:
        positions: Wanted.
        names: Names of the test images (n,), strings or numbers.

    Raises:
        UserError: Says how to ask for an image by a name that is a number.
    """
    outside = [position for position in positions if position >= len(names)]
    if not outside:
        return
    known = names.astype(np.str_, copy=False)
    numbers = [f"'{position}'" for position in outside if (known == str(position)).any()]
    hint = f"; {numbers[0]}, in quotes, is the image of that name" if numbers else ""
    raise UserError(
        f"explain.images: positions must lie in 0 … {len(names) - 1}, the test split "
        f"(got {', '.join(map(str, outside))}){hint}"
    )
