"""Measures on the page: values with the baselines' values, and meanings."""

import numpy as np

from stages.artifacts.measurements import Measurements


def measure_values(measures: Measurements | None) -> dict[str, str]:
    """Each measure's mean ± standard error over the images, then the other methods' means."""
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
    """Each measure's meaning and better direction, by its name on the page."""
    descriptions = {} if measures is None else measures.descriptions
    return {
        f"explain.{name}": f"{about.text}; {about.better} is better"
        for name, about in descriptions.items()
    }
