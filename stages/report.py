"""Draw the explanations and measure them: `python -m stages.report`."""

from pathlib import Path

import numpy as np

from stages.figures.class_means import draw_class_means
from stages.figures.contrasts import draw_contrasts
from stages.figures.explorer import write_explorer
from stages.figures.samples import draw_samples
from stages.figures.scale import Scale
from stages.figures.sheets import draw_sheets
from stages.figures.summary import explanation_metrics, summarise, write_attribution_table
from stages.params.everything import Everything as Params
from stages.pipeline.explanation import Explanation
from stages.pipeline.files import new_file, new_folder, read_json, write_json
from stages.pipeline.splits import load_split
from stages.pipeline.stage import run_stage


def main(params: Params) -> None:
    """Read, draw, measure, write."""
    explanation = Explanation.load(Path("data/shap"))
    predictions = Path("data/predictions")
    labels, probabilities = (np.load(predictions / f"{n}.npy") for n in ("labels", "probabilities"))
    train = load_split(Path("data/prepared"), "train")
    summary = summarise(explanation)
    scale = Scale(summary.limit, params.report.colormap)
    with new_folder(Path("plots/shap")) as folder:
        draw_samples(folder, *train, explanation.class_names, "training")
        draw_sheets(folder, explanation, summary, scale)
        draw_class_means(folder, explanation, summary, scale)
        draw_contrasts(folder, explanation, summary, scale, labels, probabilities)
    with new_file(Path("plots/attributions.csv")) as file:
        write_attribution_table(file, explanation, summary)
    metrics = {"evaluate": read_json(Path("metrics/evaluate.json"))}
    metrics["explain"] = explanation_metrics(explanation, summary)
    page = (explanation, summary, scale, labels, probabilities, params.model_dump(), metrics)
    with new_file(Path("plots/explorer.html")) as file:
        write_explorer(file, *page)
    with new_file(Path("metrics/explain.json")) as file:
        write_json(file, metrics["explain"])


if __name__ == "__main__":
    run_stage(main, Params)
