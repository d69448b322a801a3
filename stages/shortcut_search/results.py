"""Turns what a search found into the artifact, with the images that pictures of it need."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from stages.artifacts.shortcuts import (
    FINDING_COLUMNS,
    N_EXAMPLES,
    N_TRANSPLANTS,
    N_TYPICAL,
    NONE,
    STRATEGY_COLUMNS,
    Shortcuts,
    shown,
)
from stages.shortcut_search.experiment import Subject
from stages.shortcut_search.maps import Chosen
from stages.shortcut_search.search import Candidate
from stages.shortcut_search.strategies import Strategy

FindingRow = tuple[object, ...]


class Shown(NamedTuple):
    """What pictures show of a finding; fields as in `Shortcuts`, without the first axis."""

    regions: NDArray[np.float32]
    members: NDArray[np.bool_]
    example_rows: NDArray[np.int64]
    host_rows: NDArray[np.int64]
    transplants: NDArray[np.uint8]
    transplant_odds: NDArray[np.float64]
    transplant_predicted: NDArray[np.int64]


class Group(NamedTuple):
    """A strategy of a class, its images as rows of all searched images."""

    class_number: int
    rows: NDArray[np.int64]
    typical: NDArray[np.int64]
    mean: NDArray[np.float64]


def results(
    subject: Subject,
    chosen: Chosen,
    found: Sequence[Candidate],
    groups: Sequence[Group],
    about: Mapping[str, object],
) -> Shortcuts:
    """The artifact.

    Args:
        subject: What was searched.
        chosen: The searched images.
        found: The findings.
        groups: The strategies of all classes.
        about: `split`, `n_tests` and `not_searched`, as in `Shortcuts.about`.
    """
    n_images, (channels, height, width) = len(chosen.indices), chosen.split.images.shape[1:]
    parts = [_shown(subject, finding) for finding in found]
    empty = Shown(
        np.zeros((0, height, width), np.float32),
        np.zeros((0, n_images), bool),
        np.zeros((0, N_EXAMPLES), np.int64),
        np.zeros((0, N_TRANSPLANTS), np.int64),
        np.zeros((0, N_TRANSPLANTS, channels, height, width), np.uint8),
        np.zeros((0, N_TRANSPLANTS, 2)),
        np.zeros((0, N_TRANSPLANTS), np.int64),
    )
    arrays = Shown(*map(np.stack, zip(*parts, strict=True))) if parts else empty
    typical = np.array([group.typical for group in groups], np.int64).reshape(-1, N_TYPICAL)
    means = np.array([group.mean for group in groups], np.float32)
    rows = shown([arrays.example_rows, arrays.host_rows, typical])
    return Shortcuts(
        **arrays._asdict(),
        indices=chosen.indices,
        names=chosen.names[chosen.indices],
        predicted=subject.predicted,
        maps=subject.maps.astype(np.float32),
        typical_rows=typical,
        strategy_maps=means.reshape(-1, *subject.maps.shape[1:]),
        shown_rows=rows,
        shown_images=chosen.split.images[chosen.indices[rows]],
        findings=_findings_table(subject, found),
        strategies=_strategies_table(subject, groups),
        about={"class_names": subject.class_names, "block_px": subject.grid.side, **about},
    )


def group_of(subject: Subject, class_number: int, strategy: Strategy) -> Group:
    """A strategy among the images of a class, as one among all searched images."""
    own = np.flatnonzero(subject.predicted == class_number)
    typical = np.where(strategy.typical == NONE, NONE, own[strategy.typical])
    return Group(class_number, own[strategy.rows], typical, strategy.mean)


def _shown(subject: Subject, finding: Candidate) -> Shown:
    """Five members, and three images of other classes with the region of the first member."""
    placed = finding.rule.place(subject.maps[finding.members])
    masks = subject.grid.pixels(finding.rule.regions)[placed.places]
    clearest = np.argsort(-placed.scores, kind="stable")[:N_EXAMPLES]
    examples = np.full(N_EXAMPLES, NONE, np.int64)
    examples[: len(clearest)] = finding.members[clearest]
    is_member = np.zeros(len(subject.predicted), bool)
    is_member[finding.members] = True
    _, testing = subject.halves()
    hosts = np.resize(testing.hosts(finding.class_number, N_TRANSPLANTS), N_TRANSPLANTS)
    laboratory = subject.laboratory
    before = laboratory.load(hosts)
    mask = torch.from_numpy(masks[clearest[0]]).to(laboratory.device)
    after = torch.where(mask, laboratory.load(examples[:1]), before)
    logits = [laboratory.logits(images) for images in (before, after)]
    odds = torch.stack([part.softmax(1)[:, finding.class_number] for part in logits], dim=1)
    return Shown(
        masks.mean(axis=0, dtype=np.float32),
        is_member,
        examples,
        hosts,
        after.byte().cpu().numpy(),
        odds.numpy(),
        logits[1].argmax(1).numpy(),
    )


def _findings_table(subject: Subject, found: Sequence[Candidate]) -> pd.DataFrame:
    rows = []
    for finding in found:
        n_class = int((subject.predicted == finding.class_number).sum())
        region = subject.grid.pixels(finding.rule.regions)[0]
        measured = (getattr(finding, name) for name in FINDING_COLUMNS[4:-1])
        n_members = len(finding.members)
        start = (finding.class_number, n_members, n_members / n_class, float(region.mean()))
        rows.append((*start, *measured, finding.rule.kind == "moving"))
    return pd.DataFrame(rows, columns=list(FINDING_COLUMNS))


def _strategies_table(subject: Subject, groups: Sequence[Group]) -> pd.DataFrame:
    rows = []
    for group in groups:
        n_class = int((subject.predicted == group.class_number).sum())
        right = subject.labels[group.rows] == group.class_number
        n_images = len(group.rows)
        rows.append((group.class_number, n_images, n_images / n_class, float(right.mean())))
    return pd.DataFrame(rows, columns=list(STRATEGY_COLUMNS))
