"""`params.yaml` as a whole."""

from stages.base.params.sections import DeviceName, Section, Seed
from stages.params.data import Data
from stages.params.explain import Explain
from stages.params.model import Model
from stages.params.preprocess import Preprocess
from stages.params.quality import Quality
from stages.params.report import Report
from stages.params.shortcuts import ShortcutSearch
from stages.params.train import TrainOrWeights


class AllParams(Section):
    """The whole file; rejects unknown top-level keys."""

    device: DeviceName
    seed: Seed
    data: Data
    preprocess: Preprocess
    model: Model
    train: TrainOrWeights
    explain: Explain
    quality: Quality
    shortcuts: ShortcutSearch
    report: Report
