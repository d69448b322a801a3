"""Compares two versions: how similar, how similar by chance alone, and what differs."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.base.errors.user import UserError
from tools.compare.metrics import mean_with_error, standard_error_of_mean
from tools.compare.pairs import Pairs
from tools.compare.retrained import changed_parameters, find_retrained, is_reseeded
from tools.compare.retraining import METRICS, Retraining
from tools.compare.shortcuts import changed_shortcuts
from tools.compare.similarity import pearson_of_others, pearson_of_redrawn
from tools.compare.versions import WORKSPACE, Version


class Judgement(NamedTuple):
    """Whether the maps changed by more than chance alone changes them.

    Attributes:
        within_noise: None if that is unknown.
        reason: Why, or what would tell.
    """

    within_noise: bool | None
    reason: str


@dataclass(frozen=True)
class Comparison:
    """The comparison of two versions.

    Attributes:
        pairs: The images that both explain.
        retrained: What retraining alone changes in one of the two; None if that is unknown.
    """

    pairs: Pairs
    retrained: Retraining | None

    @classmethod
    def of(cls, old: Version, new: Version, scratch: Path) -> "Comparison":
        """Compare two versions; `scratch` is an empty folder.

        Raises:
            UserError: The versions cannot be compared.
        """
        pairs = Pairs.of(old, new)
        known = pairs.same_network or is_reseeded(old, new)
        return cls(pairs, None if known else _retrained(old, new, scratch))

    @property
    def pearson(self) -> NDArray[np.float64]:
        """Similarity of each image's maps (n,)."""
        return self.pairs.similarity.pearson

    @cached_property
    def redrawn(self) -> float | None:
        """Expected similarity with other background images; None without error bars."""
        errors = self.pairs.old_errors
        if errors is None:
            return None
        return float(pearson_of_redrawn(self.pairs.old_maps, errors).mean())

    @cached_property
    def different_images(self) -> float | None:
        """Similarity of maps of different images; None for a single image."""
        others = pearson_of_others(self.pairs.old_maps, self.pairs.new_maps)
        return None if np.isnan(others) else others

    @property
    def anchors(self) -> dict[str, float]:
        """Similarities to compare with, by name."""
        named = {
            "other background images": self.redrawn,
            "retraining alone": self.retrained.similarity if self.retrained else None,
            "another image": self.different_images,
        }
        return {name: value for name, value in named.items() if value is not None}

    @property
    def sentence(self) -> str:
        """The similarity, that by chance alone, and whether the change is within this noise."""
        n_images = len(self.pearson)
        if self.pairs.equal:
            return f"Nothing changed: similarity 1, the maps of all {n_images:,} images are equal."
        similarity = f"Similarity {mean_with_error(self.pearson)}"
        parts = []
        if self.redrawn is not None:
            parts.append(f"other background images alone would give {self.redrawn:.3f}")
        if self.retrained:
            parts.append(f"retraining alone {self.retrained}")
        context = f", where {' and '.join(parts)}" if parts else ""
        return f"{similarity}{context}: {self.judgement.reason}."

    @property
    def judgement(self) -> Judgement:
        """Whether the change is within the noise of the background or of retraining."""
        old, new = self.pairs.old, self.pairs.new
        if self.pairs.equal:
            return Judgement(True, "the maps are equal")
        if is_reseeded(old, new):
            reason = "this is what retraining alone changes, because only a seed differs"
            return Judgement(True, reason)
        if self.redrawn is not None and self._reaches(self.redrawn):
            return Judgement(True, "within the noise of the background")
        if self.retrained and self._reaches(self.retrained.similarity):
            return Judgement(True, "within the noise of retraining")
        if self.retrained:
            return Judgement(False, "more than noise")
        if self.redrawn is None:
            reason = f"{old.name} has no error bars and no version differs only in a seed"
            return Judgement(None, f"the noise is unknown, because {reason}")
        if self.pairs.same_network:
            reason = "more than the noise of the background, and the network is the same"
            return Judgement(False, reason)
        how = "run make retrain N=10"
        if new.name != WORKSPACE:
            how = (
                f"check out one of the two, {how}, commit {METRICS} with it and compare that commit"
            )
        reason = (
            f"more than the noise of the background; that of retraining is unknown until you {how}"
        )
        return Judgement(None, reason)

    def _reaches(self, anchor: float) -> bool:
        """Whether the similarity is at most two standard errors below this anchor."""
        error = np.nan_to_num(standard_error_of_mean(self.pearson))
        return bool(self.pearson.mean() + 2 * error >= anchor)

    @cached_property
    def shortcuts(self) -> list[str]:
        """Shortcuts that came, went and stayed, a line each; none if a version was not searched."""
        return changed_shortcuts(self.pairs.old.shortcuts, self.pairs.new.shortcuts)

    @property
    def differences(self) -> list[str]:
        """Differences between the versions, one per line."""
        pairs, old, new = self.pairs, self.pairs.old.explanation, self.pairs.new.explanation
        changed = changed_parameters(pairs.old, pairs.new)
        found = [f"{key}: {before} → {after}" for key, (before, after) in changed.items()]
        if not pairs.same_network:
            found.append("network: its outputs for the same images differ")
        if not pairs.same_background:
            n_images = f"{len(old.background):,} → {len(new.background):,}"
            found.append(f"background: {n_images} images, not the same ones")
        for key in ("dataset", "network", "method"):
            if old.about[key] != new.about[key]:
                found.append(f"{key}: {old.about[key]} → {new.about[key]}")
        n_both = len(pairs.classes) + pairs.without_map
        counts = (len(old.labels) - n_both, len(new.labels) - n_both)
        for version, n_alone in zip((pairs.old, pairs.new), counts, strict=True):
            if n_alone:
                found.append(f"images: {n_alone:,} only in {version.name}")
        if pairs.without_map:
            found.append(f"images: {pairs.without_map:,} without a map of the class in both")
        return found


def _retrained(old: Version, new: Version, scratch: Path) -> Retraining | None:
    """What `make retrain` counted for either version; else from one that differs only in seed."""
    if counted := old.retraining or new.retraining:
        return counted
    for number, version in enumerate((old, new)):
        found = find_retrained(version, scratch / str(number))
        if found is None:
            continue
        try:
            pearson = Pairs.of(version, found).similarity.pearson
        except UserError:  # no image in common
            continue
        error = standard_error_of_mean(pearson)
        return Retraining(found.name.split()[0], float(pearson.mean()), error)
    return None
