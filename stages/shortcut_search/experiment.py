"""One experiment: members' and other images' pixels are pasted into the same hosts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from stages.shortcut_search.pasting import Effects, Laboratory
from stages.shortcut_search.rule import Grid, Maps, Rule

Indices = NDArray[np.int64]


class Effort(NamedTuple):
    """How many images take part in an experiment, at most.

    Attributes:
        n_hosts: Hosts, drawn evenly from the other classes.
        n_members: Members that give pixels.
        n_rest: Other images of the class that give pixels.
        n_others: Images of other classes that give pixels.
    """

    n_hosts: int
    n_members: int
    n_rest: int
    n_others: int

    @property
    def passes(self) -> int:
        """Passes of the network."""
        return self.n_hosts * (self.n_members + self.n_rest + self.n_others)


class Donors(NamedTuple):
    """Images that give pixels (d,), and the place from which each does."""

    images: Indices
    places: Indices


class Outcome(NamedTuple):
    """Effects of the members' pixels, and of other images'."""

    members: Effects
    others: Effects


@dataclass(frozen=True)
class Subject:
    """Everything that is searched. n images, k classes.

    Attributes:
        laboratory: The images and the network.
        maps: Block sums of the attributions to the predicted class (n, gh, gw).
        predicted: Predicted classes (n,).
        labels: True classes (n,).
        class_names: Names of the k classes.
        grid: The blocks of the maps.
        seed: For all draws.
    """

    laboratory: Laboratory
    maps: Maps
    predicted: Indices
    labels: Indices
    class_names: Sequence[str]
    grid: Grid
    seed: int = 0

    @cached_property
    def contents(self) -> Maps:
        """Sums of the pixels of each block (n, gh, gw), over channels."""
        laboratory = self.laboratory
        parts = np.array_split(laboratory.indices, len(laboratory.indices))
        return np.concatenate([self.grid.sums(laboratory.images[part].sum(1)) for part in parts])

    def halves(self) -> tuple["Half", "Half"]:
        """Two halves of every predicted class, drawn at random: one searches, the other tests."""
        rng = np.random.default_rng((self.seed, 0))
        order = rng.permutation(len(self.predicted))
        order = order[np.argsort(self.predicted[order], kind="stable")]
        return Half(self, np.sort(order[::2]), 1), Half(self, np.sort(order[1::2]), 2)


@dataclass(frozen=True)
class Half:
    """Half of the images, which take part in experiments of its own.

    Attributes:
        subject: All images.
        images: Indices of these (n,), ascending.
        number: Which half, for the seeds.
    """

    subject: Subject
    images: Indices
    number: int

    def of_class(self, class_number: int) -> Indices:
        """Images of this half that are predicted as a class."""
        return np.asarray(self.images[self.subject.predicted[self.images] == class_number])

    def not_of_class(self, class_number: int) -> Indices:
        """Images of this half that are predicted as another class."""
        return np.asarray(self.images[self.subject.predicted[self.images] != class_number])

    def hosts(self, class_number: int, n_hosts: int) -> Indices:
        """Images of other classes, classified correctly, in turn from each class."""
        subject = self.subject
        rng = np.random.default_rng((subject.seed, self.number, class_number, 0))
        candidates = rng.permutation(self.not_of_class(class_number))
        classes = subject.predicted[candidates]
        right = subject.labels[candidates] == classes
        candidates, classes = candidates[right], classes[right]
        turn = np.zeros(len(classes), np.int64)
        for other in np.unique(classes):
            same = classes == other
            turn[same] = np.arange(same.sum())
        return np.asarray(candidates[np.argsort(turn, kind="stable")][:n_hosts])

    def run(self, class_number: int, rule: Rule, effort: Effort) -> Outcome | None:
        """Run an experiment; None if there are too few images for it."""
        subject = self.subject
        rng = np.random.default_rng((subject.seed, self.number, class_number, 1))
        hosts = self.hosts(class_number, effort.n_hosts)
        own = self.of_class(class_number)
        placed = rule.place(subject.maps[own])
        is_member = rule.members(placed)
        members = _some(rng, np.flatnonzero(is_member), effort.n_members)
        rest = _some(rng, np.flatnonzero(~is_member), effort.n_rest)
        others = np.setdiff1d(self.not_of_class(class_number), hosts)
        others = _some(rng, others, effort.n_others)
        if min(len(hosts), len(members)) < 2 or len(rest) + len(others) < 2:
            return None
        places = rng.choice(placed.places[is_member], len(others))
        given = Donors(own[members], placed.places[members])
        compared = Donors(
            np.concatenate([own[rest], others]), np.concatenate([placed.places[rest], places])
        )
        return Outcome(
            self._paste(class_number, rule, given, hosts),
            self._paste(class_number, rule, compared, hosts),
        )

    def _paste(self, class_number: int, rule: Rule, donors: Donors, hosts: Indices) -> Effects:
        masks = self.subject.grid.pixels(rule.regions)[donors.places]
        return self.subject.laboratory.paste(class_number, donors.images, masks, hosts)

    def remove(self, class_number: int, rule: Rule, n_members: int, n_fillers: int) -> Effects:
        """Fill the region of each member from others of its class, or of other classes.

        Returns:
            For members and fillers (m, f): changes of the log-odds, and whether the member still
            is predicted as the class.
        """
        subject = self.subject
        rng = np.random.default_rng((subject.seed, self.number, class_number, 2))
        own = self.of_class(class_number)
        placed = rule.place(subject.maps[own])
        is_member = rule.members(placed)
        members = _some(rng, np.flatnonzero(is_member), n_members)
        rest = own[~is_member]
        fillers = _some(rng, rest if len(rest) else self.not_of_class(class_number), n_fillers)
        masks = subject.grid.pixels(rule.regions)[placed.places[members]]
        found = [
            subject.laboratory.paste(
                class_number,
                fillers,
                mask[None].repeat(len(fillers), axis=0),
                own[member : member + 1],
            )
            for member, mask in zip(members, masks, strict=True)
        ]
        return Effects(
            np.stack([effects.moved[:, 0] for effects in found]),
            np.stack([effects.flipped[:, 0] for effects in found]),
        )

    def variation(self, class_number: int, rule: Rule, effort: Effort) -> float:
        """How much the members' pixels vary, as a share of how much they differ from others'.

        Returns:
            Median over pairs of members of the root mean square difference of their pixels in the
            region, divided by that of a member and another image: 0 for a mark that was copied,
            about 1 where members have nothing in common. NaN for a mark that moves, as windows show
            different parts of it.
        """
        if rule.kind == "moving":
            return float("nan")
        subject = self.subject
        rng = np.random.default_rng((subject.seed, self.number, class_number, 3))
        own = self.of_class(class_number)
        is_member = rule.members(rule.place(subject.maps[own]))
        rest = own[~is_member] if not is_member.all() else self.not_of_class(class_number)
        region = subject.grid.pixels(rule.regions)[0]
        members, others = (
            subject.laboratory.load(_some(rng, images, most))[:, :, region].flatten(1).cpu()
            for images, most in ((own[is_member], effort.n_members), (rest, effort.n_rest))
        )
        # Without products of matrices, whose rounding depends on the number of threads.
        exact = "donot_use_mm_for_euclid_dist"
        between = torch.cdist(members, others, compute_mode=exact).median()
        return float(torch.pdist(members).median() / between) if between else float("nan")


def _some(rng: np.random.Generator, items: Indices, most: int) -> Indices:
    """At most so many of the items, in their order."""
    return items if len(items) <= most else np.sort(rng.choice(items, most, replace=False))
