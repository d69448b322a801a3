"""Saves every kind of result while calls fail: `python -m tests.faults.saves [--every]`.

Runs in a project with results, and prints each problem on a line. With --every each call fails
in all ways, else in one of them.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path

import numpy as np
import torch

from stages import check
from stages.artifacts import explanation, measurements, portable, predictions, splits
from stages.base.files.atomic import new_file, new_folder
from stages.base.files.formats import write_json
from stages.base.files.tables import write_csv
from stages.base.params.reading import load_params
from stages.datasets.base.contract import Origin
from stages.datasets.base.raw import fetch_dataset
from stages.drawing.board import Board
from stages.measures.attributions.summary import summarise
from stages.measures.attributions.tables import write_attribution_table
from stages.networks import checkpoint
from stages.params.whole import AllParams
from tests.faults.harness import Writer, kinds, one_kind, problems
from tools.command import run_command


def saves() -> Iterator[tuple[str, Callable[[], None]]]:
    """Results, and what saves them."""
    yield "data/checked", lambda: check.main(load_params(AllParams))

    arrays = {"x": np.zeros((20, 8, 8), np.uint8), "y": np.arange(20) % 2}
    source = Path("arrays.npz").absolute()
    np.savez(source, **{f"{a}_{split}": arrays[a] for split in ("train", "test") for a in arrays})
    yield "data/raw", lambda: fetch_dataset("arrays", Origin(source), {})

    names: tuple[splits.SplitName, ...] = ("train", "validation", "test")
    info, parts = splits.load_info(), {name: splits.load_split(name) for name in names}
    titles = {name: splits.load_names(name) for name in names}
    yield "data/prepared", lambda: splits.save_splits(info, parts, titles)

    trained = checkpoint.load_checkpoint(torch.device("cpu"))
    yield "data/model", lambda: checkpoint.save_checkpoint(trained)
    yield "data/predictions", predictions.Predictions.load().save

    e = explanation.Explanation.load()
    content = {f.name: getattr(e, f.name) for f in fields(explanation.ExplainedImages)}
    explained = explanation.ExplainedImages(**content)
    part = explanation.AttributionSlice(e.values, e.errors, e.group_means)
    shard = Path("shard")
    shard.mkdir()
    explanation.save_shard(explained, [part], shard)
    yield "data/shap", lambda: explanation.save_explanation(explained, [shard])
    yield "data/portable", portable.PortableNetwork.load().save

    measured = measurements.Measurements.load()
    yield "data/quality", measured.save
    yield "plots/methods.csv", lambda: write_csv(Path("plots/methods.csv"), measured.table)

    table, summary = Path("plots/attributions.csv"), summarise(e)
    yield str(table), lambda: write_attribution_table(table, e, summary)
    yield "metrics/explain.json", write_metrics
    yield "plots/shap", draw


def write_metrics() -> None:
    with new_file(Path("metrics/explain.json")) as file:
        write_json(file, {"a": 1})


def draw() -> None:
    with new_folder(Path("plots/shap")) as folder:
        Board(320, 320).save(folder / "samples.png")


def main(every: bool) -> None:
    """Print each problem on a line."""
    for result, save in saves():
        command = partial(run_command, lambda _, save=save: save())
        writer = Writer(command, [Path(result)], [result])
        for line in problems(writer, kinds if every else one_kind):
            print(f"{result}: {line}")


if __name__ == "__main__":
    main(every=sys.argv[1:] == ["--every"])
