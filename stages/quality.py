"""Measure the explanations, beside those of other methods: `python -m stages.quality`."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stages.artifacts.explanation import Explanation
from stages.artifacts.measurements import Measurements
from stages.base.files.formats import write_csv
from stages.base.params.sections import DeviceName, StageParams
from stages.base.run.stage import run_stage
from stages.measures.base.baselines import BASELINES
from stages.measures.base.maps import (
    Maps,
    maps_of_baseline,
    maps_of_method,
    maps_of_run,
    seconds_an_image,
)
from stages.measures.base.subject import Subject, measurable, two_most_probable
from stages.measures.removal_gain import removal_curves
from stages.measures.tables import measure, removal_table, tile_table
from stages.measures.tiles_error import game_of_tiles, play_tiles
from stages.networks.checkpoint import load_checkpoint
from stages.networks.device import choose_device, configure_process_for
from stages.networks.predict import with_output
from stages.params.quality import Quality as QualityParams

PLOTS = Path("plots")

NEEDS_LESS = (
    "fewer images or fewer outputs of each (explain.n_images, explain.outputs), or fewer "
    "methods to compare with (quality.methods)"
)


class Params(StageParams):
    """The parameters that this stage reads."""

    device: DeviceName
    quality: QualityParams


def main(params: Params) -> None:
    """Read, measure the run's method and the others, write."""
    device = choose_device(params.device)
    configure_process_for(device)
    explanation = Explanation.load()
    network = load_checkpoint(device).network.requires_grad_(False)
    subject = subject_of(explanation, network, device)
    game = game_of_tiles(subject)
    values = play_tiles(game)
    own = maps_of_run(explanation, subject, game)
    report_missing(own)
    maps = {explanation.about["method"]: own}
    for name in params.quality.methods:
        if name not in maps:
            maps[name] = maps_of(name, subject, game, values)
    curves = {name: removal_curves(subject, its.predicted) for name, its in maps.items()}
    table = measure(subject, maps, curves, values)
    images = table["index"].to_numpy()
    table["index"] = explanation.indices[images]
    table.insert(2, "name", explanation.names[images])
    measurements = Measurements(table)
    measurements.save()
    methods = measurements.by_method
    methods["seconds"] = methods["method"].map(seconds_by_method(subject, maps))
    write_csv(PLOTS / "methods.csv", methods)
    write_csv(PLOTS / "removal.csv", removal_table(curves))
    write_csv(PLOTS / "tiles.csv", tile_table(maps, values, explanation))


def subject_of(explanation: Explanation, network: nn.Module, device: torch.device) -> Subject:
    """What was explained, and how the network's outputs are to be read."""
    predicted, runner_up = two_most_probable(explanation.probabilities)
    return Subject(
        network=network,
        explained=with_output(network, explanation.about["output"]),
        images=torch.from_numpy(explanation.images),
        background=torch.from_numpy(explanation.background).to(device).float(),
        predicted=predicted,
        runner_up=runner_up,
        seed=explanation.about["parameters"]["explain"]["seed"],
    )


def maps_of(name: str, subject: Subject, game: Subject, values: NDArray[np.float64]) -> Maps:
    """Those of a baseline or of a method."""
    if name not in BASELINES:
        return maps_of_method(name, subject, game)
    maps = BASELINES[name](subject.images.numpy())
    return maps_of_baseline(maps, values[:, -1] - values[:, 0])


def report_missing(own: Maps) -> None:
    """Print how many images lack a map that a measure needs."""
    for maps, needed, measures in (
        (own.predicted, "predicted class", "removal_gain, background_error and concentration"),
        (own.contrast, "predicted class or runner-up", "contrast_shift"),
    ):
        if missing := len(maps) - len(measurable(maps)):
            print(
                f"{missing:,} of {len(maps):,} explained images have no map of their {needed}, so "
                f"{measures} leave them out; explain.outputs: {{top: 2}} gives both"
            )


def seconds_by_method(subject: Subject, maps: Mapping[str, Maps]) -> dict[str, float]:
    """Seconds an image, where methods are compared: a clock's time is never the same twice."""
    names = [name for name in maps if name not in BASELINES]
    return {name: seconds_an_image(name, subject) for name in names} if len(names) > 1 else {}


if __name__ == "__main__":
    run_stage(main, Params, NEEDS_LESS)
