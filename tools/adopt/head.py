"""Whether a network's head fits the classes of the data set, and what the recipe does about it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from tools.adopt.pretrained import Pretrained

MOST_LISTED = 5


class Head(NamedTuple):
    """How the recipe uses the head.

    Attributes:
        note: A line for the user.
        replaced: Whether a new head has to be trained.
        class_order: The network's class names, if the data set has to take over their order; else
            empty.
    """

    note: str
    replaced: bool = False
    class_order: Sequence[str] = ()


def choose_head(pretrained: Pretrained, class_names: Sequence[str], can_reorder: bool) -> Head:
    """Keep the head if it has an output for each class, else replace it.

    Args:
        pretrained: The network.
        class_names: Names of the data set's classes, in class order.
        can_reorder: Whether the data set has an option `classes`, names in another order, of which
            some may have no images.
    """
    n_outputs, n_classes, names = pretrained.n_classes, len(class_names), pretrained.class_names
    if pretrained.fresh:
        return Head(f"has none; a new one for {n_classes:,} classes is trained", replaced=True)
    if names and can_reorder and _is_part(class_names, names):
        return Head(
            f"kept; the data set has {n_classes:,} of its {n_outputs:,} classes, and takes over "
            "their order (data.options.classes)",
            class_order=names,
        )
    if n_outputs == 1 and n_classes == 2:
        return Head(f"kept; its one logit is that of the second class, {class_names[1]}: check it")
    if n_outputs != n_classes:
        return Head(
            f"replaced, since it has {n_outputs:,} outputs and the data set {n_classes:,} classes; "
            "the new one is trained",
            replaced=True,
        )
    return Head(f"kept; {_comparison(names, class_names)}")


def replaced_entries(
    entries: Mapping[str, Tensor], wanted: Mapping[str, Tensor], n_outputs: int
) -> list[str]:
    """Names of the entries with a row for each output where the new network has other rows."""
    return sorted(
        name
        for name in entries.keys() & wanted.keys()
        if entries[name].shape != wanted[name].shape
        and entries[name].shape[:1] == (n_outputs,)
        and entries[name].shape[1:] == wanted[name].shape[1:]
    )


def _is_part(class_names: Sequence[str], names: Sequence[str]) -> bool:
    unique = set(names)
    known = len(unique) == len(names) and unique.issuperset(class_names)
    return known and list(names) != list(class_names)


def _comparison(names: Sequence[str] | None, class_names: Sequence[str]) -> str:
    if names is None:
        return (
            "its classes have no names; check that they are, in this order, "
            f"{', '.join(class_names[:MOST_LISTED])}{_more(len(class_names))}"
        )
    differing = [
        f"output {label} is {theirs!r}, class {label} of the data set is {ours!r}"
        for label, (theirs, ours) in enumerate(zip(names, class_names, strict=True))
        if theirs != ours
    ]
    if not differing:
        return "its classes have the data set's names and order"
    reason = (
        "the order differs, so predictions would be wrong"
        if sorted(names) == sorted(class_names)
        else "check that they mean the same"
    )
    return (
        f"WARNING: {len(differing):,} of {len(names):,} names differ; {reason}: "
        f"{'; '.join(differing[:MOST_LISTED])}{_more(len(differing))}"
    )


def _more(number: int) -> str:
    return f" and {number - MOST_LISTED:,} more" if number > MOST_LISTED else ""
