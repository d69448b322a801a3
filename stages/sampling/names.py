"""Finds test images by their names."""

from collections.abc import Mapping, Sequence

import numpy as np

from stages.artifacts.splits import Names, SplitName
from stages.base.errors.user import UserError
from stages.base.params.messages import did_you_mean
from stages.params.explain import CHOICES

MOST_SUGGESTED = 3


def indices_of(
    wanted: Sequence[str], names: Names, not_tested: Mapping[SplitName, Names]
) -> list[int]:
    """Positions in the test split of the images with these names.

    Args:
        wanted: Names to find; a number is written in digits.
        names: Names of the test images (n,), strings or numbers.
        not_tested: Names of the images in the other splits, by split.

    Raises:
        UserError: Names are not in the test split; gives for each its split or the closest name.
    """
    if not wanted:
        return []  # saves reading the names, perhaps a million
    known = names.astype(np.str_, copy=False)
    found = [np.flatnonzero(known == name) for name in wanted]
    unknown = [name for name, indices in zip(wanted, found, strict=True) if not len(indices)]
    if unknown:
        lines = [_no_such_image(name, names, not_tested) for name in dict.fromkeys(unknown)]
        raise UserError("\n".join(f"explain.images: {line}" for line in lines))
    return [int(indices[0]) for indices in found]


def _no_such_image(name: str, names: Names, not_tested: Mapping[SplitName, Names]) -> str:
    for split, others in not_tested.items():
        if (others.astype(np.str_, copy=False) == name).any():
            return f"{name} is an image of the {split} split; only test images are explained"
    # A similar number would not be a useful suggestion.
    known = [] if np.issubdtype(names.dtype, np.integer) else names.tolist()
    same_file = [other for other in known if f"/{name}".endswith(f"/{other}")]
    same_file += [other for other in known if other.endswith(f"/{name}")]
    if same_file:
        suggestion = f"; did you mean {' or '.join(same_file[:MOST_SUGGESTED])}?"
    else:
        suggestion = did_you_mean(name, [*known, *CHOICES])
    example = f"; an example of a name is {names[0]}"
    return f"no test image is called {name!r}{suggestion or example}"


def require_indices(indices: Sequence[int], names: Names) -> None:
    """Reject positions outside the test split.

    Args:
        indices: Wanted positions in the test split.
        names: Names of the test images (n,), strings or numbers.

    Raises:
        UserError: A position is too large; the message explains how to select an image whose name
            is a number.
    """
    outside = [index for index in indices if index >= len(names)]
    if not outside:
        return
    known = names.astype(np.str_, copy=False)
    numbers = [f"'{index}'" for index in outside if (known == str(index)).any()]
    hint = f"; {numbers[0]}, in quotes, is the image of that name" if numbers else ""
    raise UserError(
        f"explain.images: positions in the test split must be 0 … {len(names) - 1} "
        f"(got {', '.join(map(str, outside))}){hint}"
    )
