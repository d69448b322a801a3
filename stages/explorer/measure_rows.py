"""What the page shows of the measures: their values, next to those of baselines, and meanings."""

import numpy as np

from stages.artifacts.measurements import Measurements


def measure_values(measures: Measurements | None) -> dict[str, str]:
    """By measure: the run's mean ± its standard error over the images; then the other methods'."""
    if measures is None:
        return {}
    own, *others = measures.by_method.to_dict("records")
    values = {}
    for name in measures.descriptions:
        mean, error = own[name], own[f"{name}_se"]
        text = "–" if np.isnan(mean) else f"{mean:.4g}"
        text += "" if np.isnan(error) else f" ± {error:.2g}"
        baselines = [f"{m['method']} {m[name]:.4g}" for m in others if not np.isnan(m[name])]
        values[name] = "; ".join([text, *baselines])
    if measures.additivity_l1_log10 is not None:
        values["additivity_l1_log10"] = f"{measures.additivity_l1_log10:.6g}"
    return values


def measure_meanings(measures: Measurements | None) -> dict[str, str]:
    """What each measure means and which direction is better, by its name on the page."""
    descriptions = {} if measures is None else measures.descriptions
    return {
        f"explain.{name}": f"{about.text}; {about.better} is better"
        for name, about in descriptions.items()
    }
