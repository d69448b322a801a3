"""Draw the explanations and measure them: `python -m stages.report`."""

from pathlib import Path

from stages.figures.class_means import draw_class_means
from stages.figures.scale import Scale
from stages.figures.sheets import draw_sheets
from stages.figures.summary import explanation_metrics, summarise, write_attribution_table
from stages.params.report import Report
from stages.pipeline.explanation import Explanation
from stages.pipeline.files import new_file, new_folder, write_json
from stages.pipeline.params import StageParams
from stages.pipeline.stage import run_stage


class Params(StageParams):
    """What this stage reads."""

    report: Report


def main(params: Params) -> None:
    """Read, draw, measure, write."""
    explanation = Explanation.load(Path("data/shap"))
    summary = summarise(explanation)
    scale = Scale(summary.limit, params.report.colormap)
    with new_folder(Path("plots/shap")) as folder:
        draw_sheets(folder, explanation, summary, scale)
        draw_class_means(folder, explanation, summary, scale)
    with new_file(Path("plots/attributions.csv")) as file:
        write_attribution_table(file, explanation, summary)
    with new_file(Path("metrics/explain.json")) as file:
        write_json(file, explanation_metrics(explanation, summary))


if __name__ == "__main__":
    run_stage(main, Params)
