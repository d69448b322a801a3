"""Which shortcuts came, went and stayed between two versions."""

import numpy as np

from stages.artifacts.shortcuts import Shortcuts

SAME_REGION = 0.5  # least share of two regions' pixels that both have, for one and the same finding


def changed_shortcuts(old: Shortcuts | None, new: Shortcuts | None) -> list[str]:
    """A line for each shortcut that either version has; none if a version was not searched.

    Findings of the same class are the same if their regions are mostly the same.
    """
    if old is None or new is None or not len(old.indices) or not len(new.indices):
        return []
    pairs = _pairs(old, new)
    stayed = [
        f"shortcut stayed: {_name(old, before)}: {old.findings['flips'][before]:.1%} → "
        f"{new.findings['flips'][after]:.1%} of other images flip"
        for before, after in pairs.items()
    ]
    came = [
        f"shortcut came: {new.sentence(number)}"
        for number in range(len(new.findings))
        if number not in pairs.values()
    ]
    went = [
        f"shortcut went: {old.sentence(number)}"
        for number in range(len(old.findings))
        if number not in pairs
    ]
    return [*went, *came, *stayed] or ["shortcuts: none in either version"]


def _pairs(old: Shortcuts, new: Shortcuts) -> dict[int, int]:
    """For each finding of the old version, the same one of the new version, if there is one."""
    pairs: dict[int, int] = {}
    if old.regions.shape[1:] != new.regions.shape[1:]:
        return pairs
    for before in range(len(old.findings)):
        for after in range(len(new.findings)):
            same_class = _class(old, before) == _class(new, after)
            first, second = old.regions[before] > 0, new.regions[after] > 0
            shared = np.logical_and(first, second).sum() / np.logical_or(first, second).sum()
            if same_class and shared >= SAME_REGION and after not in pairs.values():
                pairs[before] = after
                break
    return pairs


def _class(version: Shortcuts, number: int) -> str:
    return version.class_names[int(version.findings["class"][number])]


def _name(version: Shortcuts, number: int) -> str:
    return f"{_class(version, number)} by {version.findings['area'][number]:.0%} of the picture"
