"""Draw the explanations and summarise them: `python -m stages.report`."""

from pathlib import Path

from stages.artifacts.explanation import Explanation
from stages.artifacts.features import TrainingFeatures
from stages.artifacts.measurements import Measurements
from stages.artifacts.portable import PortableNetwork
from stages.artifacts.predictions import Predictions
from stages.artifacts.shortcuts import Shortcuts
from stages.artifacts.splits import load_split
from stages.base.files.atomic import new_file, new_folder
from stages.base.files.formats import write_json
from stages.base.files.tables import write_csv
from stages.base.params.sections import StageParams
from stages.base.run.stage import run_stage
from stages.drawing.grain import chosen_grain
from stages.explorer.document import write_explorer
from stages.figures.channel_sheets import draw_channels
from stages.figures.class_means import draw_class_means
from stages.figures.contrasts import draw_contrasts
from stages.figures.run import Run
from stages.figures.samples import draw_samples
from stages.figures.segment_sheets import draw_segments
from stages.figures.sheets import draw_sheets
from stages.figures.shortcut_sheets import draw_shortcuts
from stages.figures.strategies import draw_strategies
from stages.measures.attributions.tables import write_attribution_table
from stages.params.report import Report

METRICS, SHORTCUT_METRICS = Path("metrics/explain.json"), Path("metrics/shortcuts.json")
PLOTS = Path("plots")

NEEDS_LESS = "fewer images or fewer outputs of each (explain.n_images, explain.outputs)"


class Params(StageParams):
    """The parameters that this stage reads."""

    report: Report


def main(params: Params) -> None:
    """Read, draw, summarise, write."""
    explanation, shortcuts = Explanation.load(), Shortcuts.load()
    run = Run(
        explanation,
        Predictions.load(),
        load_split("train"),
        portable=PortableNetwork.load(),
        measures=Measurements.load(),
        features=TrainingFeatures.load(),
        shortcuts=shortcuts,
        colormap=params.report.colormap,
        fade=params.report.fade,
        grain=chosen_grain(params.report.grain, explanation.images.shape),
    )
    with new_folder(PLOTS / "shap") as folder:
        draw_samples(folder, run)
        draw_sheets(folder, run)
        draw_segments(folder, run)
        draw_channels(folder, run)
        draw_class_means(folder, run)
        draw_contrasts(folder, run)
        draw_shortcuts(folder, run)
        draw_strategies(folder, run)
    with new_file(PLOTS / "explorer.html") as file:
        write_explorer(file, run)
    write_attribution_table(PLOTS / "attributions.csv", explanation, run.summary)
    write_csv(PLOTS / "classes.csv", run.class_table)
    with new_file(METRICS) as file:
        write_json(file, run.metrics, sort_keys=False)  # the most important first
    with new_file(SHORTCUT_METRICS) as file:
        write_json(file, shortcuts.metrics, sort_keys=False)


if __name__ == "__main__":
    run_stage(main, Params, NEEDS_LESS)
