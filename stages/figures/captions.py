"""Sentences that several pictures share: unit, background, method, scale, frames."""

from collections.abc import Mapping
from typing import Any

from stages.artifacts.explanation import POSITIVE, UNKNOWN
from stages.drawing.scale import Scale
from stages.drawing.text import with_minus
from stages.figures.displayed_maps import TOP_MAPS, n_shown
from stages.figures.run import Run

DECIMALS = {"logits": 2, "probabilities": 3}
UNITS = {"logits": "logits", "probabilities": "probability"}

METHODS = {
    "deep": "DeepSHAP",
    "shap_deep": "shap's DeepExplainer",
    "shap_gradient": "shap's GradientExplainer",
    "integrated_gradients": "integrated gradients",
}


def unit(about: Mapping[str, Any], grain: int = 1) -> str:
    """Unit of an attribution: `logits per pixel`, `probability per 4 × 4 pixels`."""
    return f"{UNITS[about['output']]} per {'pixel' if grain == 1 else f'{grain} × {grain} pixels'}"


def method(about: Mapping[str, Any]) -> str:
    """The method's usual name; for a user's own method, the name of its file."""
    return METHODS.get(about["method"], str(about["method"]))


def background(about: Mapping[str, Any]) -> str:
    """The background, which attributions are relative to."""
    return f"the mean over {about['n_background']:,} training images ({about['background']} draw)"


def number(value: float) -> str:
    """The number with three significant digits and a true minus sign."""
    return with_minus(f"{value:.3g}")


def signed(value: float, about: Mapping[str, Any]) -> str:
    """A sum with its sign: two decimals of a logit, three of a probability."""
    text = f"{value:+.{DECIMALS[about['output']]}f}"
    return with_minus(text) if float(text) else text[1:]


def bar_label(about: Mapping[str, Any], scale: Scale) -> str:
    """The colour bar's label."""
    return f"{scale.cool} lowers, {scale.warm} raises ({unit(about, scale.grain)})"


def map_sentences(run: Run, grain: int | None) -> str:
    """What a map shows: colours, unit, background and method.

    Args:
        run: The run.
        grain: Side in pixels of the blocks whose attributions are summed, 1 for none; None if the
            reader chooses.
    """
    about, scale = run.explanation.about, run.scale
    places = {1: "pixel", None: "block or segment"}.get(grain, "block")
    summed = "" if grain == 1 else f"Attributions are summed over the pixels of each {places}. "
    in_unit = UNITS[about["output"]] if grain is None else unit(about, grain)
    under = (
        "The stronger, the more opaque over the grey photograph."
        if run.is_fine
        else "The image is drawn faintly underneath."
    )
    n_channels = run.explanation.images.shape[1]
    kind = "colour" if n_channels == 3 else str(n_channels)
    channels = f", summed over the {kind} channels" if n_channels > 1 else ""
    return (
        f"A map shows how much each {places} raises ({scale.warm}) or lowers ({scale.cool}) a "
        f"class's output, in {in_unit}{channels}, relative to {background(about)}, "
        f"by {method(about)}. {summed}{under}{fade_sentence(run)}"
    )


def fade_sentence(run: Run) -> str:
    """A note on faded pixels; empty if none are."""
    if not run.fade or run.explanation.errors is None:
        return ""
    return " Pale: within two standard errors of 0, estimated over the background."


def which_images(run: Run, image_indices: range, most: int) -> str:
    """A note beside a title: which of the explained images a picture shows.

    Args:
        run: The run.
        image_indices: Indices of the images among the explained images.
        most: Number of images that all pictures of this kind show at most.
    """
    n_images = len(run.explanation.labels)
    if n_images == 1:
        return "one explained image"
    first, last = image_indices[0] + 1, image_indices[-1] + 1
    note = f"explained images {first:,} to {last:,} of {n_images:,}"
    return f"{note}; the sheets show the first {most}" if n_images > most else note


def scale_sentence(run: Run) -> str:
    """The limit of the colour scale and where it comes from."""
    n_images = len(run.explanation.labels)
    images = "the explained image" if n_images == 1 else f"all {n_images:,} explained images"
    _, several = run.nouns
    beyond = "pixels beyond it have the bar's end colours"
    if run.is_fine:
        beyond = "blocks beyond it are outlined"
    return (
        f"One scale for the whole run: ±{number(run.scale.limit)}, the "
        f"{run.summary.percentile:g}th percentile of |attribution| over {images} and "
        f"{several}; {beyond}."
    )


def frame_sentence(run: Run) -> str:
    """The meaning of the frames around maps."""
    known = bool((run.explanation.labels != UNKNOWN).any())
    if run.explanation.multiple:
        missed = " Dashed frame: true label that is not predicted." if known else ""
        return f"Solid frame: predicted label.{missed}"
    true = " Dashed frame: true class, if different."
    return f"Solid frame: predicted class.{true if known else ''}"


def explained_sentence(run: Run) -> str:
    """How many classes are explained of each image, or the only one; empty if all are."""
    n_maps, n_classes = run.explanation.classes.shape[1], len(run.class_names)
    _, several = run.nouns
    if run.explanation.one_logit:
        positive, negative = run.class_names[POSITIVE], run.class_names[1 - POSITIVE]
        return (
            f"The network has one logit, of class {positive}: what lowers it is evidence for "
            f"{negative}."
        )
    if n_maps == n_classes:
        return ""
    verb = "is" if n_maps == 1 else "are"
    return f"{n_maps:,} of {n_classes:,} {several} {verb} explained for each image."


def choice_sentence(run: Run) -> str:
    """Which classes are explained and drawn; empty if all are."""
    sentences = [explained_sentence(run)]
    _, several = run.nouns
    n_maps = run.explanation.classes.shape[1]
    if n_shown(n_maps) < n_maps:
        true = "; the true class replaces the last if it is not among them"
        sentences.append(
            f"Each row shows the {TOP_MAPS} most probable of {n_maps} {several}"
            f"{'' if run.explanation.multiple else true}."
        )
    return " ".join(sentences).strip()
