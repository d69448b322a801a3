"""Sentences that pictures share: the unit, the background, the scale."""

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
    """The method as people call it; a user's own as its file is named."""
    return METHODS.get(about["method"], str(about["method"]))


def background(about: Mapping[str, Any]) -> str:
    """What the attributions are measured from."""
    return f"the mean over {about['n_background']:,} training images ({about['background']} draw)"


def number(value: float) -> str:
    """The number with three digits and a true minus sign."""
    return with_minus(f"{value:.3g}")


def signed(value: float, about: Mapping[str, Any]) -> str:
    """A sum with its sign: two decimals of a logit, three of a probability."""
    text = f"{value:+.{DECIMALS[about['output']]}f}"
    return with_minus(text) if float(text) else text[1:]


def block_sentence(block: int) -> str:
    """That pixels are averaged, where they are."""
    return f" Each drawn pixel is the mean of {block} by {block}." if block > 1 else ""


def bar_label(about: Mapping[str, Any], scale: Scale) -> str:
    """The colour bar's label."""
    return f"{scale.cool} lowers, {scale.warm} raises ({unit(about, scale.grain)})"


def map_sentences(run: Run, block: int, grain: int) -> str:
    """What a map shows, in which unit, against which background.

    Args:
        run: Whose map it is.
        block: Side in pixels of the squares that are averaged, 1 for none.
        grain: Side in pixels of the blocks whose attributions are summed, 1 for none.
    """
    about, scale = run.explanation.about, run.scale
    block_words = "Attributions are summed over the pixels of each block. " if grain > 1 else ""
    n_channels = run.explanation.images.shape[1]
    channels = ", summed over the colour channels" if n_channels > 1 else ""
    return (
        f"A map shows what each pixel adds to a class's output ({scale.warm}) or takes from it "
        f"({scale.cool}), in {unit(about, grain)}{channels}, against {background(about)}, "
        f"by {method(about)}. {block_words}The image lies faintly under it.{block_sentence(block)}"
        f"{fade_sentence(run)}"
    )


def fade_sentence(run: Run) -> str:
    """That pixels are faded, where they are."""
    if not run.fade or run.explanation.errors is None:
        return ""
    return " Pale: within two standard errors of 0, over the background."


def scale_sentence(run: Run) -> str:
    """How far the colours reach."""
    n_images = len(run.explanation.labels)
    images = "the explained image" if n_images == 1 else f"all {n_images:,} explained images"
    return (
        f"One scale for the whole run: ±{number(run.scale.limit)}, the {PERCENTILE}th percentile "
        f"of |attribution| over {images} and classes; stronger pixels keep the end's colour."
    )


def frame_sentence(run: Run) -> str:
    """What the frames of maps mean."""
    known = bool((run.explanation.labels != UNKNOWN).any())
    true = " Dashed frame: true class, where it is another."
    return f"Solid frame: predicted class.{true if known else ''}"


def choice_sentence(run: Run) -> str:
    """Which classes are explained and drawn, where it is not all of them."""
    n_maps, n_classes = run.explanation.classes.shape[1], len(run.class_names)
    parts = []
    if n_maps < n_classes:
        verb = "is" if n_maps == 1 else "are"
        parts.append(f"{n_maps:,} of {n_classes:,} classes {verb} explained for each image.")
    if n_shown(n_maps) < n_maps:
        parts.append(
            f"Of {n_maps} classes each row shows the {TOP_MAPS} most probable, the last giving "
            "way to the true class where that is not among them."
        )
    return " ".join(parts)
