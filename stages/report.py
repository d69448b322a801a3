"""Draw the explanations and summarise them: `python -m stages.report`."""

from pathlib import Path

from stages.artifacts.explanation import Explanation
from stages.artifacts.measurements import Measurements
from stages.artifacts.portable import PortableNetwork
from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import load_split
from stages.base.files.atomic import new_file, new_folder
from stages.base.files.formats import write_csv, write_json
from stages.base.params.sections import StageParams
from stages.base.run.stage import run_stage
from stages.explorer.document import write_explorer
from stages.figures.class_means import draw_class_means
from stages.figures.contrasts import draw_contrasts
from stages.figures.run import Run
from stages.figures.samples import draw_samples
from stages.figures.sheets import draw_sheets
from stages.measures.attributions.tables import write_attribution_table
from stages.params.report import Report

METRICS = Path("metrics/explain.json")
PLOTS = Path("plots")

NEEDS_LESS = "fewer images or fewer outputs of each (explain.n_images, explain.outputs)"


class Params(StageParams):
    """The parameters that this stage reads."""

    report: Report


def main(params: Params) -> None:
    """Read, draw, summarise, write."""
    explanation = Explanation.load()
    run = Run(
        explanation,
        Predictions.load(),
        load_split("train"),
        portable=PortableNetwork.load(),
        measures=Measurements.load(),
        **params.report.model_dump(),
    )
    with new_folder(PLOTS / "shap") as folder:
        draw_samples(folder, run)
        draw_sheets(folder, run)
        draw_class_means(folder, run)
        draw_contrasts(folder, run)
    with new_file(PLOTS / "explorer.html") as file:
        write_explorer(file, run)
    write_attribution_table(PLOTS / "attributions.csv", explanation, run.summary)
    write_csv(PLOTS / "classes.csv", run.class_table)
    with new_file(METRICS) as file:
        write_json(file, run.metrics, sort_keys=False)  # the most important first


if __name__ == "__main__":
    run_stage(main, Params, NEEDS_LESS)
