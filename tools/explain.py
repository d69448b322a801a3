"""Explain pictures of your own: `python -m tools.explain FILE… [--output FOLDER] [--invert]`.

Uses the last run's network and background, `data/model` and `data/shap`. Pictures are converted to
the size and colours of the training images, as in preprocess. Prints each picture's most probable
classes with the sums of their attributions, and draws contact sheets.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from stages.artifacts.explanation import UNKNOWN, ExplainedImages, Explanation
from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import DatasetInfo, Split
from stages.base.errors.user import UserError
from stages.base.files.atomic import new_file
from stages.base.params.reading import load_params
from stages.base.params.sections import StageParams
from stages.datasets.base.decode import UnusableImage, decode
from stages.drawing.scale import luma
from stages.explainers.base.contract import build_explainer
from stages.explainers.base.slices import additive_slices, attributions, progress_bar
from stages.figures.captions import UNITS, signed
from stages.figures.displayed_maps import n_shown
from stages.figures.run import Run
from stages.figures.sheets import ON_SHEETS, SheetLayout, draw_sheet
from stages.networks.checkpoint import Checkpoint, load_checkpoint
from stages.networks.device import choose_device, configure_process_for
from stages.networks.predict import predict, with_output
from stages.params.preprocess import Color
from stages.params.report import Report
from stages.preparation.arrays import converted
from stages.sampling.outputs import choose_classes
from tools.command import run_command

N_PRINTED = 5  # classes of each picture
STDIN = "-"
FLAT = 8  # smallest range of brightness, of 255, that shows anything
FAR = 3.0  # standard deviations of the training images' mean brightness


class Params(StageParams):
    """The section of `params.yaml` that is used."""

    report: Report


class Picture(NamedTuple):
    """A picture as the network's input.

    Attributes:
        name: The file's name.
        pixels: Converted image (c, h, w).
    """

    name: str
    pixels: NDArray[np.uint8]


def main(arguments: Sequence[str]) -> None:
    """Read, warn, explain, print, draw."""
    parser = argparse.ArgumentParser(prog="python -m tools.explain", description=__doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="image, folder, or - for stdin")
    parser.add_argument("--output", type=Path, default=Path("explained"), metavar="FOLDER")
    parser.add_argument("--invert", action="store_true", help="swap dark and light")
    options = parser.parse_args(arguments)
    checkpoint, last = load_last_run()
    pictures = read_pictures(options.files, checkpoint.info, options.invert)
    for picture in pictures:
        for warning in warnings_of(picture, last.background, options.invert):
            print(f"warning: {picture.name}: {warning}", file=sys.stderr)
    explanation = explain(pictures, checkpoint, last)
    for index in range(len(pictures)):
        print("\n".join(lines_of(explanation, index)))
    for path in draw(explanation, options.output):
        print(path)


def load_last_run() -> tuple[Checkpoint, Explanation]:
    """The last run's network and explanation.

    Raises:
        UserError: One is missing, or they come from different runs.
    """
    device = choose_device("auto")
    configure_process_for(device)
    try:
        checkpoint, last = load_checkpoint(device), Explanation.load()
    except FileNotFoundError as error:
        raise UserError(
            f"{error.filename}: no such file; run dvc repro first, or dvc pull"
        ) from None
    parameters = last.about["parameters"]
    other = [key for key, value in checkpoint.parameters.items() if parameters.get(key) != value]
    if other:
        raise UserError(
            f"data/shap: explains another network than data/model (parameters of {other[0]} "
            "differ); run dvc repro first"
        )
    return checkpoint, last


def read_pictures(names: Sequence[str], info: DatasetInfo, invert: bool) -> list[Picture]:
    """Read image files, the visible files of folders, and standard input.

    Args:
        names: Paths, or `STDIN`.
        info: Size and colours of the network's input.
        invert: Whether to swap dark and light.

    Raises:
        UserError: Files are missing or are not images; lists all of them.
    """
    color: Color = "grey" if info.channels == 1 else "rgb"
    pictures, errors = [], []
    for name in chain.from_iterable(map(files_of, names)):
        try:
            content = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
            pixels = converted(decode(content), color, info.image_size)
        except (UnusableImage, OSError) as error:
            errors.append(f"\n  {name}: {getattr(error, 'strerror', None) or error}")
        else:
            pictures.append(Picture(Path(name).name, 255 - pixels if invert else pixels))
    if errors:
        raise UserError(f"not used as images: {len(errors):,} files{''.join(errors)}")
    return pictures


def files_of(name: str) -> list[str]:
    """The visible files of a folder, sorted, or the name itself.

    Raises:
        UserError: The folder has no files.
    """
    if not Path(name).is_dir():
        return [name]
    files = [str(f) for f in sorted(Path(name).iterdir()) if f.is_file() and f.name[0] != "."]
    if not files:
        raise UserError(f"{name}: the folder has no files; name one that contains images")
    return files


def warnings_of(picture: Picture, background: NDArray[np.uint8], inverted: bool) -> Iterator[str]:
    """Warnings about a picture that does not look like the training images.

    Args:
        picture: The converted picture.
        background: Training images (b, c, h, w).
        inverted: Whether dark and light were swapped.
    """
    brightness = 255 * luma(picture.pixels[None])
    training = 255 * luma(background).mean(axis=(1, 2))
    mean, spread = training.mean(), max(training.std(), FLAT)
    if np.ptp(brightness) < FLAT:
        yield "is empty: all its pixels have nearly the same brightness"
        return
    own = brightness.mean()
    distance, negative_distance = (abs(value - mean) / spread for value in (own, 255 - own))
    if distance <= FAR:
        return
    numbers = f"its mean brightness is {own:.0f} of 255, theirs {mean:.0f} ± {spread:.0f}"
    if negative_distance < distance / 2:
        advice = "leave out --invert" if inverted else "run python -m tools.explain with --invert"
        yield f"looks like a negative of the training images ({numbers}); {advice}"
    else:
        yield f"looks unlike the training images ({numbers}); crop or relight it to look like them"


def explain(pictures: Sequence[Picture], checkpoint: Checkpoint, last: Explanation) -> Explanation:
    """Explain pictures as the last run explained its images, against the same background.

    Returns:
        The explanation. Each picture has maps of all classes or, if there are many, of the most
        probable ones. Names are file names, true classes are unknown.
    """
    about = last.about
    options = about["parameters"]["explain"]
    network = with_output(checkpoint.network.requires_grad_(False), about["output"])
    device = next(network.parameters()).device
    pixels = np.stack([picture.pixels for picture in pictures])
    images, background = (
        torch.from_numpy(array).to(device).float() for array in (pixels, last.background)
    )
    logits = predict(checkpoint.network, images).cpu().double()
    probabilities = logits.softmax(dim=1).numpy().astype(np.float32)
    n_classes = len(last.class_names)
    wanted = "all" if n_shown(n_classes) == n_classes else {"top": n_shown(n_classes)}
    content: dict[str, Any] = {
        "base_values": last.base_values,
        "outputs": predict(network, images).cpu().double().numpy(),
        "probabilities": probabilities,
        "classes": choose_classes(wanted, probabilities, last.class_names),
        "images": pixels,
        "labels": np.full(len(pictures), UNKNOWN),
        "names": np.array([picture.name for picture in pictures]),
        "indices": np.arange(len(pictures)),
        "background": last.background,
        "background_indices": last.background_indices,
        "about": about,
    }
    explained = ExplainedImages(**content)
    attribute = build_explainer(about["method"], network, background, options["seed"])
    with progress_bar("explain", len(pixels)) as progress:
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
        name, total = explanation.class_names[number], signed(sums[number], about)
        yield f"  {name:{width}}  {probabilities[number]:8.2%}  {total:>8}"


def draw(explanation: Explanation, folder: Path) -> Iterator[Path]:
    """Draw contact sheets as the stage report does; yield their files."""
    labels, class_names = explanation.labels, tuple(explanation.class_names)
    run = Run(
        explanation,
        Predictions(explanation.probabilities, labels, explanation.names, class_names, {}),
        Split(explanation.images, labels),
        **load_params(Params).report.model_dump(),
    )
    starts = range(0, min(len(labels), ON_SHEETS), SheetLayout.of(run).n_rows)
    for number, start in enumerate(starts):
        path = folder / f"sheet_{number:03d}.png"
        with new_file(path) as file:
            draw_sheet(run, start).save(file)
        yield path


if __name__ == "__main__":
    run_command(main)
