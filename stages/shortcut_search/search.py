"""Searches classes: half of the images proposes and screens candidates, half tests them."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.shortcuts import COPIED
from stages.base.run.bars import ProgressBar
from stages.shortcut_search.experiment import Effort, Half, Outcome, Subject
from stages.shortcut_search.rule import Rule
from stages.shortcut_search.scan import MOST_PROPOSED, propose
from stages.shortcut_search.separation import holm, rank_p, sign_p, standing, standing_by_pairs

LEVEL = 0.01  # of the family of all tests
MOST_TESTED = 4  # candidates of a class

# Each screen drops candidates whose median standing falls short of the number beside it.
SCREENS = ((Effort(3, 20, 25, 15), 0.24), (Effort(9, 30, 40, 30), 0.48))
TEST = Effort(27, 40, 60, 40)
N_FILLERS = 3  # images that replace the region of a member


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A candidate of a class, and what its test found.

    Attributes:
        class_number: The class that it moves images to.
        rule: Region, and who the members are.
        members: Indices of all its members, of both halves (m,).
        standing: How far members stand above others, in the median host; 1 is apart.
        effect: Mean change of log-odds by members' pixels minus that by others'.
        effect_se: Standard error of `effect`, over members, others and hosts.
        flips: Share of pasted hosts that become the class.
        flips_se: Standard error of `flips`.
        flips_others: The same share with others' pixels.
        drop: Mean loss of log-odds of members whose region is filled from others.
        falls: Share of these that are predicted as another class.
        variation: From `Half.variation`.
        p: p-value; `search` corrects it for the number of tests.
    """

    class_number: int
    rule: Rule
    members: NDArray[np.int64]
    standing: float
    effect: float = np.nan
    effect_se: float = np.nan
    flips: float = np.nan
    flips_se: float = np.nan
    flips_others: float = np.nan
    drop: float = np.nan
    falls: float = np.nan
    variation: float = np.nan
    p: float = 1.0


def search(subject: Subject, classes: list[int]) -> list[Candidate]:
    """All tested candidates of these classes, with p-values corrected for the number of tests."""
    searching, testing = subject.halves()
    tested: list[Candidate] = []
    for class_number in ProgressBar(classes, desc="shortcuts: search", unit="class"):
        for candidate in screened(searching, class_number):
            if (result := run_test(testing, candidate)) is not None:
                tested.append(result)
    adjusted = holm(np.array([candidate.p for candidate in tested]))
    return [replace(c, p=float(p)) for c, p in zip(tested, adjusted, strict=True)]


def findings(tested: list[Candidate]) -> list[Candidate]:
    """Candidates that passed, without those whose members mostly belong to a weightier one."""
    passed = [candidate for candidate in tested if candidate.p <= LEVEL]
    passed.sort(key=lambda c: (c.class_number, -len(c.members) * c.effect))
    kept: list[Candidate] = []
    for candidate in passed:
        same = [other for other in kept if other.class_number == candidate.class_number]
        if not any(
            2 * len(np.intersect1d(other.members, candidate.members)) >= len(candidate.members)
            for other in same
        ):
            kept.append(candidate)
    return kept


def most_passes(n_classes: int) -> int:
    """The most passes of the network that a search needs; it often needs a quarter of them."""
    screens = sum(effort.passes for effort, _ in SCREENS)
    test = TEST.passes + N_FILLERS * TEST.n_members
    return n_classes * (MOST_PROPOSED * screens + MOST_TESTED * test)


def screened(half: Half, class_number: int) -> list[Candidate]:
    """Candidates of a class that pass all screens, the best separated first."""
    subject = half.subject
    own = half.of_class(class_number)
    contents = subject.contents
    rules = propose(subject.maps[own], contents[own], contents[half.not_of_class(class_number)])
    found = [
        (height, rule)
        for rule in rules
        if (height := _screen(half, class_number, rule)) is not None
    ]
    found.sort(key=lambda item: -item[0])
    everyone = np.flatnonzero(subject.predicted == class_number)
    kept: list[Candidate] = []
    for height, rule in found:
        members = everyone[rule.members(rule.place(subject.maps[everyone]))]
        candidate = Candidate(
            class_number=class_number, rule=rule, members=members, standing=height
        )
        if len(kept) < MOST_TESTED and not any(_alike(candidate, other) for other in kept):
            kept.append(candidate)
    return kept


def _alike(first: Candidate, second: Candidate) -> bool:
    """Whether two candidates have mostly the same members."""
    both = len(np.intersect1d(first.members, second.members))
    return 2 * both > len(np.union1d(first.members, second.members))


def _screen(half: Half, class_number: int, rule: Rule) -> float | None:
    """How far the members stand above others in the median host; None if a screen drops the rule.

    By the strict measure, so that the regions of a mark can be ranked.
    """
    height, variation = None, half.variation(class_number, rule, TEST)
    for effort, least in SCREENS:
        outcome = half.run(class_number, rule, effort)
        if outcome is None or np.median(_standings(rule, variation, outcome)) < least:
            return None
        height = float(np.median(standing(outcome.members.moved, outcome.others.moved)))
    return height


def _standings(rule: Rule, variation: float, outcome: Outcome) -> NDArray[np.float64]:
    """How far members stand above others in each host (t,).

    Pixels that are alike in part of a class, and patches at unusual places, are no graded evidence.
    """
    members, others = outcome.members.moved, outcome.others.moved
    is_mark = rule.kind == "moving" or (rule.kind == "part" and variation < COPIED)
    return standing_by_pairs(members, others) if is_mark else standing(members, others)


def run_test(half: Half, candidate: Candidate) -> Candidate | None:
    """Test a candidate on fresh images; None if there are too few."""
    class_number, rule = candidate.class_number, candidate.rule
    outcome = half.run(class_number, rule, TEST)
    if outcome is None:
        return None
    members, others = outcome.members.moved, outcome.others.moved
    variation = half.variation(class_number, rule, TEST)
    standings = _standings(rule, variation, outcome)
    flips = outcome.members.flipped.astype(float)
    removed = half.remove(class_number, rule, TEST.n_members, N_FILLERS)
    return replace(
        candidate,
        standing=float(np.median(standings)),
        effect=float(members.mean() - others.mean()),
        effect_se=standard_error(members, others),
        flips=float(flips.mean()),
        flips_se=standard_error(flips),
        flips_others=float(outcome.others.flipped.mean()),
        drop=float(-removed.moved.mean()),
        falls=float(1 - removed.flipped.mean()),
        variation=variation,
        p=max(rank_p(members, others), sign_p(standings)),
    )


def standard_error(
    members: NDArray[np.float64], others: NDArray[np.float64] | None = None
) -> float:
    """Standard error of a mean over donors and hosts (d, t), or of the difference of two.

    Donors and hosts both are samples: the variances of their means add up.
    """
    hosts = members.mean(axis=0) - (0 if others is None else others.mean(axis=0))
    variance = hosts.var(ddof=1) / len(hosts)
    for effects in (members, others):
        if effects is not None:
            variance += effects.mean(axis=1).var(ddof=1) / len(effects)
    return float(np.sqrt(variance))
