"""Sentences that several pictures share: unit, background, method, scale, frames."""

from collections.abc import Mapping
from typing import Any

from stages.artifacts.explanation import UNKNOWN
from stages.drawing.scale import Scale
from stages.drawing.text import with_minus
from stages.figures.displayed_maps import TOP_MAPS, n_shown
from stages.figures.run import Run
from stages.measures.attributions.summary import PERCENTILE

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


def downsampling_sentence(factor: int) -> str:
    """A note that pixels are averaged; empty for a factor of 1."""
    return f" Each drawn pixel is the mean of {factor} × {factor} pixels." if factor > 1 else ""


def bar_label(about: Mapping[str, Any], scale: Scale) -> str:
    """The colour bar's label."""
    return f"{scale.cool} lowers, {scale.warm} raises ({unit(about, scale.grain)})"


def map_sentences(run: Run, factor: int, grain: int) -> str:
    """What a map shows: colours, unit, background and method.

    Args:
        run: The run.
        factor: Downsampling factor: side in pixels of the squares averaged, 1 for none.
        grain: Side in pixels of the blocks whose attributions are summed, 1 for none.
    """
    about, scale = run.explanation.about, run.scale
    block_sentence = "Attributions are summed over the pixels of each block. " if grain > 1 else ""
    n_channels = run.explanation.images.shape[1]
    channels = ", summed over the colour channels" if n_channels > 1 else ""
    return (
        f"A map shows how much each pixel raises ({scale.warm}) or lowers ({scale.cool}) a class's "
        f"output, in {unit(about, grain)}{channels}, relative to {background(about)}, "
        f"by {method(about)}. {block_sentence}The image is drawn faintly underneath."
        f"{downsampling_sentence(factor)}{fade_sentence(run)}"
    )


def fade_sentence(run: Run) -> str:
    """A note on faded pixels; empty if none are."""
    if not run.fade or run.explanation.errors is None:
        return ""
    return " Pale: within two standard errors of 0, estimated over the background."


def scale_sentence(run: Run) -> str:
    """The limit of the colour scale and where it comes from."""
    n_images = len(run.explanation.labels)
    images = "the explained image" if n_images == 1 else f"all {n_images:,} explained images"
    return (
        f"One scale for the whole run: ±{number(run.scale.limit)}, the {PERCENTILE}th percentile "
        f"of |attribution| over {images} and classes; pixels beyond it have the bar's end colours."
    )


def frame_sentence(run: Run) -> str:
    """The meaning of the frames around maps."""
    known = bool((run.explanation.labels != UNKNOWN).any())
    true = " Dashed frame: true class, if different."
    return f"Solid frame: predicted class.{true if known else ''}"


def choice_sentence(run: Run) -> str:
    """Which classes are explained and drawn; empty if all are."""
    n_maps, n_classes = run.explanation.classes.shape[1], len(run.class_names)
    sentences = []
    if n_maps < n_classes:
        verb = "is" if n_maps == 1 else "are"
        sentences.append(f"{n_maps:,} of {n_classes:,} classes {verb} explained for each image.")
    if n_shown(n_maps) < n_maps:
        sentences.append(
            f"Each row shows the {TOP_MAPS} most probable of {n_maps} classes; the true class "
            "replaces the last if it is not among them."
        )
    return " ".join(sentences)
