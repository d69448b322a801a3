"""All of `params.yaml`."""

from stages.params.data import Data
from stages.params.explain import Explain
from stages.params.model import Model
from stages.params.preprocess import Preprocess
from stages.params.report import Report
from stages.params.train import Train
from stages.pipeline.params import DeviceName, Section, Seed


class Everything(Section):
    """The whole file: a top-level key that is not here is unknown."""

    device: DeviceName
    seed: Seed
    data: Data
    preprocess: Preprocess
    model: Model
    train: Train
    explain: Explain
    report: Report
