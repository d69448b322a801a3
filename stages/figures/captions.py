"""Words that pictures share: the unit, the background, the scale."""

from collections.abc import Mapping
from typing import Any

from stages.figures.scale import Scale
from stages.summary.classes import TOP_CLASSES

DECIMALS = {"logits": 2, "probabilities": 3}
UNITS = {"logits": "logits", "probabilities": "probability"}


def unit(about: Mapping[str, Any]) -> str:
    """Name the unit of an attribution: `logits per pixel` or `probability per pixel`."""
    return f"{UNITS[about['output']]} per pixel"


def against(about: Mapping[str, Any]) -> str:
    """Say what the attributions are measured from."""
    return f"the mean over {about['n_background']:,} training images ({about['background']} draw)"


def number(value: float) -> str:
    """Write a number with three digits and a true minus sign."""
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


def signed(value: float, about: Mapping[str, Any]) -> str:
    """Write a sum with its sign: two decimals of a logit, three of a probability."""
    text = f"{value:+.{DECIMALS[about['output']]}f}"
    return text.replace("-", "\N{MINUS SIGN}") if float(text) else text[1:]


def block_words(block: int) -> str:
    """Say that pixels are averaged, where they are."""
    return f" Each drawn pixel is the mean of {block} by {block}." if block > 1 else ""


def bar_label(about: Mapping[str, Any], scale: Scale) -> str:
    """Label the colour bar."""
    return f"{scale.cool} lowers, {scale.warm} raises ({unit(about)})"


def map_words(about: Mapping[str, Any], scale: Scale, channels: int, block: int) -> str:
    """Say what a map shows, in which unit, against which background."""
    channel_words = ", summed over the colour channels" if channels > 1 else ""
    return (
        f"A map shows what each pixel adds to a class's output ({scale.warm}) or takes from it "
        f"({scale.cool}), in {unit(about)}{channel_words}, against {against(about)}, by "
        f"{about['method']}. The image lies faintly under it.{block_words(block)}"
    )


def scale_words(limit: float, n_explained: int) -> str:
    """Say how far the colours reach."""
    return (
        f"One scale for the whole run: ±{number(limit)}, the 99.9th percentile of |attribution| "
        f"over all {n_explained:,} explained images and classes; stronger pixels keep the end's "
        "colour."
    )


def choice_words(n_classes: int, n_shown: int) -> str:
    """Say which classes are drawn, where it is not all of them."""
    if n_shown == n_classes:
        return ""
    return (
        f"Of {n_classes} classes each row shows the {TOP_CLASSES} most probable, the last giving "
        "way to the true class where that is not among them."
    )
