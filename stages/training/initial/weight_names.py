"""Finds a network's entries in a file of weights, under whatever prefix they have there."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from stages.base.errors.user import UserError, shortened
from stages.training.initial.weight_files import Entries

MOST_LISTED = 10
COMPILED = "_orig_mod."  # torch.compile puts it in front of the names in a compiled module

# `build_network` puts the standardising layer, and perhaps another, in front of a network.
OWN_WRAPPERS = ("1.", "1.1.")
OWN_LAYER = {"0.mean", "0.scale"}


class Place(NamedTuple):
    """Where a network's entries are in a file.

    Attributes:
        path: The dictionary that contains them, `state_dict.`; "" at the top.
        prefix: What their names start with there, such as `module.`.
    """

    path: str
    prefix: str


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name matches one of the shell patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def without(patterns: Sequence[str], entries: Entries) -> dict[str, Tensor]:
    """The entries whose names match none of the shell patterns."""
    return {name: tensor for name, tensor in entries.items() if not matches(name, patterns)}


def listed(names: Collection[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - MOST_LISTED:,} more" if len(names) > MOST_LISTED else ""
    return ", ".join(map(shortened, list(names)[:MOST_LISTED])) + more


def published_entries(
    stored: Mapping[str, Entries], wanted: Collection[str], skip: Sequence[str], file: Path
) -> dict[str, Tensor]:
    """The dictionary of a file that fits a network, under the network's own names.

    A prefix is removed from the names if at least half of them then are the network's.

    Args:
        stored: From `read_weights`.
        wanted: Names of the network's entries.
        skip: Patterns of names; decide between dictionaries or prefixes that fit equally well.
        file: Where `stored` is from, for messages.

    Raises:
        UserError: Several dictionaries or prefixes fit equally well; names them.
    """
    plain = {
        path: {name.replace(COMPILED, ""): tensor for name, tensor in entries.items()}
        for path, entries in stored.items()
    }
    place = _best_place(plain, wanted, skip, file)
    entries = plain[place.path]
    if place.prefix in OWN_WRAPPERS:
        entries = {k: v for k, v in entries.items() if k not in OWN_LAYER}
    else:
        compiled = entries.keys() != stored[place.path].keys()
        removed = ([COMPILED] if compiled else []) + ([place.prefix] if place.prefix else [])
        read = [f"took {place.path.removesuffix('.')}"] if place.path else []
        read += [f"removed {' and '.join(removed)} from the names"] if removed else []
        if read:
            print(f"{file}: {', '.join(read)}")
    return {name.removeprefix(place.prefix): tensor for name, tensor in entries.items()}


def _best_place(
    stored: Mapping[str, Entries], wanted: Collection[str], skip: Sequence[str], file: Path
) -> Place:
    fits = {
        Place(path, prefix): n_known
        for path, entries in stored.items()
        for prefix, n_known in _known_by_prefix(entries, wanted).items()
        if 2 * n_known >= len(entries.keys() - OWN_LAYER)
    }
    best = sorted(place for place, n_known in fits.items() if n_known == max(fits.values()))
    if not best:
        return Place(max(stored, key=lambda path: len(stored[path])), "")
    if len(best) > 1 and best[0] != Place("", ""):
        best = [place for place in best if not matches("".join(place), skip)] or best
    if len(best) > 1 and best[0] != Place("", ""):
        *_, first, last = ("".join(place) for place in best)
        raise UserError(
            f"{file}: {first}* and {last}* fit the network equally well; choose one: leave the "
            f"other out with model.skip_weights: ['{last}*']"
        )
    return best[0]


def _known_by_prefix(entries: Entries, wanted: Collection[str]) -> Counter[str]:
    """How many names are the network's, by the prefix that is removed from them."""
    n_known: Counter[str] = Counter()
    for name in entries:
        parts = name.split(".")
        for n_parts in range(len(parts)):
            if ".".join(parts[n_parts:]) in wanted:
                n_known["".join(f"{part}." for part in parts[:n_parts])] += 1
    return n_known
