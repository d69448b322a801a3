"""Chooses the classes to explain for each image."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.explanation import POSITIVE
from stages.artifacts.splits import THRESHOLD
from stages.base.errors.user import UserError
from stages.base.params.messages import did_you_mean

MOST_NAMED = 10  # classes in a message

Wanted = str | Mapping[str, int] | Sequence[str | int]


def choose_classes(
    wanted: Wanted,
    probabilities: NDArray[np.floating],
    class_names: Sequence[str],
    *,
    one_logit: bool = False,
    multiple: bool = False,
) -> NDArray[np.int64]:
    """The classes selected by the parameter `explain.outputs`.

    Args:
        wanted: `all`, `predicted`, `{"top": m}`, or a list of class names and numbers.
        probabilities: Predicted probabilities of the images to explain (n, k).
        class_names: Names of the k classes.
        one_logit: Whether the network has one logit for two classes. Then its class alone has a
            map, whatever is wanted: the other class's output never changes.
        multiple: Whether an image may have several labels. Then `predicted` selects as many of an
            image's most probable labels as the image with the most predicted labels has.

    Returns:
        The class of each map of an image (n, m): in class order for `all`, the most probable first
        for `predicted` and `top`, in the given order for a list.

    Raises:
        UserError: There are fewer classes than `top`; or a list entry is unknown, repeated, or the
            name of one class and the number of another.
    """
    n_images, n_classes = probabilities.shape
    if wanted == "predicted":
        n_predicted = (probabilities > THRESHOLD).sum(axis=1).max() if multiple else 1
        wanted = {"top": max(1, int(n_predicted))}
    elif wanted == "all":
        wanted = range(n_classes)
    if isinstance(wanted, Mapping):
        if wanted["top"] > n_classes:
            raise UserError(
                f"explain.outputs.top: must be at most {n_classes}, the number of classes "
                f"(got {wanted['top']})"
            )
        order = np.argsort(-probabilities, axis=1, kind="stable")
        classes = order[:, : wanted["top"]].astype(np.int64)
    else:
        chosen = wanted if isinstance(wanted, range) else _class_numbers(wanted, class_names)
        classes = np.tile(np.array(chosen, np.int64), (n_images, 1))
    return np.full((n_images, 1), POSITIVE) if one_logit else classes


def report_one_logit(wanted: Wanted, class_names: Sequence[str]) -> None:
    """Print which class a network with one logit explains, unless it is the class wanted.

    Args:
        wanted: As for `choose_classes`.
        class_names: Names of the two classes.
    """
    positive = class_names[POSITIVE]
    if wanted != "all" and list(wanted) not in ([positive], [POSITIVE]):
        print(
            "explain.outputs: the network has one logit, so each image has one map, of class "
            f"{positive}; what lowers it is evidence for {class_names[1 - POSITIVE]}"
        )


def _class_numbers(wanted: Sequence[str | int], class_names: Sequence[str]) -> list[int]:
    numbers = [_class_number(item, class_names) for item in wanted]
    for position, number in enumerate(numbers):
        if number in numbers[:position]:
            raise UserError(
                f"explain.outputs: names the class {class_names[number]!r} twice (got {wanted!r})"
            )
    return numbers


def _class_number(item: str | int, class_names: Sequence[str]) -> int:
    """The number of a class given by name (a string) or by number (an integer)."""
    if isinstance(item, str):
        if item not in class_names:
            known = ", ".join(map(repr, class_names[:MOST_NAMED]))
            more = ", …" if len(class_names) > MOST_NAMED else ""
            raise UserError(
                f"explain.outputs: no class is called {item!r}"
                f"{did_you_mean(item, class_names) or f'; classes: {known}{more}'}"
            )
        return class_names.index(item)
    named = class_names.index(str(item)) if str(item) in class_names else item
    if named != item:
        raise UserError(
            f"explain.outputs: {item} is the name of class number {named}; write '{item}', in "
            "quotes, for that class, and others by their names"
        )
    if item >= len(class_names):
        raise UserError(
            f"explain.outputs: class numbers must be 0 … {len(class_names) - 1} (got {item})"
        )
    return item
