"""Explain pictures of your own: `python -m tools.explain FILE…`; `--help` lists the options.

Uses the last run's network and background, `data/model` and `data/shap`. Pictures are converted to
the size and colours of the training images, as in preprocess. If those are strokes on paper of one
grey level, such as digits, strokes in photographs are lifted from their paper and placed as in the
training images, unless `--as-is` is given. Prints each picture's most probable classes with the
sums of their attributions, and draws what the network sees and contact sheets.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stages.artifacts.explanation import UNKNOWN, ExplainedImages, Explanation
from stages.artifacts.features import TrainingFeatures
from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import Split, load_split
from stages.base.errors.user import UserError
from stages.base.files.atomic import new_file
from stages.base.params.reading import load_params
from stages.base.params.sections import StageParams
from stages.base.run.bars import ProgressBar
from stages.drawing.grain import chosen_grain
from stages.drawing.segments import can_segment
from stages.explainers.base.contract import build_explainer
from stages.explainers.base.slices import additive_slices, attributions
from stages.explorer.strokes import StrokeStyle
from stages.figures.captions import UNITS, signed
from stages.figures.displayed_maps import n_shown
from stages.figures.run import Run
from stages.figures.segment_sheets import segment_sheets_of
from stages.figures.sheets import sheets_of
from stages.measures.predictions.base.features import features_of
from stages.networks.checkpoint import Checkpoint, load_checkpoint
from stages.networks.device import choose_device, configure_process_for
from stages.networks.predict import predict, probabilities_of, with_output
from stages.params.report import Report
from stages.sampling.outputs import choose_classes
from tools.command import run_command
from tools.own_pictures import Picture, draw_inputs, read_pictures, warnings_of

N_PRINTED = 5  # classes of each picture


class Params(StageParams):
    """The section of `params.yaml` that is used."""

    report: Report


def main(arguments: Sequence[str]) -> None:
    """Read, warn, explain, print, draw."""
    parser = argparse.ArgumentParser(prog="python -m tools.explain", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="image, folder, or - for stdin")
    parser.add_argument("--output", type=Path, default=Path("explained"), metavar="FOLDER")
    parser.add_argument("--invert", action="store_true", help="swap dark and light")
    parser.add_argument("--as-is", action="store_true", help="do not lift strokes from paper")
    options = parser.parse_args(arguments)
    checkpoint, last = load_last_run()
    style, features = load_training(options.as_is)
    pictures = read_pictures(options.files, checkpoint.info, style, options.invert)
    distances = distances_of(pictures, checkpoint, features)
    for warning in warnings_of(pictures, distances, features, options.invert):
        print(f"warning: {warning}", file=sys.stderr)
    explanation = explain(pictures, checkpoint, last)
    for index, picture in enumerate(pictures):
        if picture.note:
            print(f"{picture.name}: {picture.note}")
        print("\n".join(lines_of(explanation, index)))
    with new_file(options.output / "inputs.png") as file:
        draw_inputs(pictures).save(file)
    print(options.output / "inputs.png")
    for path in draw(explanation, options.output):
        print(path)


def load_last_run() -> tuple[Checkpoint, Explanation]:
    """The last run's network and explanation.

    Raises:
        UserError: One is missing, or they come from different runs.
    """
    device = choose_device("auto")
    configure_process_for(device)
    with _results_of_a_run():
        checkpoint, last = load_checkpoint(device), Explanation.load()
    parameters = last.about["parameters"]
    other = [key for key, value in checkpoint.parameters.items() if parameters.get(key) != value]
    if other:
        raise UserError(
            f"data/shap: explains another network than data/model (parameters of {other[0]} "
            "differ); run dvc repro first"
        )
    return checkpoint, last


def load_training(as_is: bool) -> tuple[StrokeStyle | None, TrainingFeatures]:
    """The training images' strokes, None if there are none or if `as_is`, and their features.

    Raises:
        UserError: One is missing.
    """
    with _results_of_a_run():
        features = TrainingFeatures.load()
        return None if as_is else StrokeStyle.of(load_split("train").images), features


@contextmanager
def _results_of_a_run() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(
            f"{error.filename}: no such file; run dvc repro first, or dvc pull"
        ) from None


def distances_of(
    pictures: Sequence[Picture], checkpoint: Checkpoint, features: TrainingFeatures
) -> NDArray[np.float64]:
    """Distances (n, 2) of pictures and of their negatives from the training images.

    Raises:
        UserError: The features are those of another network.
    """
    pixels = np.stack([picture.pixels for picture in pictures])
    device = next(checkpoint.network.parameters()).device
    found = [features_of(checkpoint.network, one, device) for one in (pixels, 255 - pixels)]
    if found[0].shape[1] != features.vectors.shape[1]:
        raise UserError("data/features: of another network than data/model; run dvc repro first")
    return np.stack([features.distances(one) for one in found], axis=1)


def explain(pictures: Sequence[Picture], checkpoint: Checkpoint, last: Explanation) -> Explanation:
    """Explain pictures as the last run explained its images, against the same background.

    Returns:
        The explanation. Each picture has maps of all classes or, if there are many, of the most
        probable ones. Names are file names, true classes are unknown.
    """
    about = last.about
    options = about["parameters"]["explain"]
    multiple = checkpoint.info.multiple
    network = with_output(checkpoint.network.requires_grad_(False), about["output"], multiple)
    device = next(network.parameters()).device
    pixels = np.stack([picture.pixels for picture in pictures])
    images, background = (
        torch.from_numpy(array).to(device).float() for array in (pixels, last.background)
    )
    logits = predict(checkpoint.network, images).cpu().double()
    probabilities = probabilities_of(logits, multiple).numpy().astype(np.float32)
    n_classes = len(last.class_names)
    wanted = "all" if n_shown(n_classes) == n_classes else {"top": n_shown(n_classes)}
    content: dict[str, Any] = {
        "base_values": last.base_values,
        "outputs": predict(network, images).cpu().double().numpy(),
        "probabilities": probabilities,
        "classes": choose_classes(
            wanted, probabilities, last.class_names, one_logit=last.one_logit
        ),
        "images": pixels,
        "labels": np.full((len(pictures), n_classes) if multiple else len(pictures), UNKNOWN),
        "names": np.array([picture.name for picture in pictures]),
        "indices": np.arange(len(pictures)),
        "background": last.background,
        "background_indices": last.background_indices,
        "about": about,
    }
    explained = ExplainedImages(**content)
    attribute = build_explainer(about["method"], network, background, options["seed"])
    with ProgressBar[None](desc="explain", unit="image", total=len(pixels)) as progress:
        slices = attributions(attribute, images, explained.classes, progress)
        values = [part.values for part in additive_slices(slices, explained, options["tolerance"])]
    return Explanation(**content, values=np.concatenate(values).astype(np.float32))


def lines_of(explanation: Explanation, index: int) -> Iterator[str]:
    """A picture's most probable classes with probabilities and sums of attributions."""
    about, probabilities = explanation.about, explanation.probabilities[index]
    sums = dict(zip(explanation.classes[index], explanation.sums[index], strict=True))
    shown = np.argsort(-probabilities, kind="stable")[:N_PRINTED]
    width = max(len(explanation.class_names[number]) for number in shown)
    unit = UNITS[about["output"]]
    yield f"{explanation.names[index]}: probability, sum of attributions in {unit}"
    for number in shown:
        name = explanation.class_names[number]
        total = signed(sums[number], about) if number in sums else "–"
        yield f"  {name:{width}}  {probabilities[number]:8.2%}  {total:>8}"


def draw(explanation: Explanation, folder: Path) -> Iterator[Path]:
    """Draw sheets as the stage report does; yield their files."""
    labels, class_names = explanation.labels, tuple(explanation.class_names)
    report = load_params(Params).report
    run = Run(
        explanation,
        Predictions(explanation.probabilities, labels, explanation.names, class_names, {}),
        Split(explanation.images, labels),
        colormap=report.colormap,
        fade=report.fade,
        grain=chosen_grain(report.grain, explanation.images.shape),
    )
    with_segments = run.is_fine and can_segment()
    kinds = {"sheet": sheets_of(run), "segments": segment_sheets_of(run) if with_segments else ()}
    for kind, sheets in kinds.items():
        for number, sheet in enumerate(sheets):
            path = folder / f"{kind}_{number:03d}.png"
            with new_file(path) as file:
                sheet.save(file)
            yield path


if __name__ == "__main__":
    run_command(main)
