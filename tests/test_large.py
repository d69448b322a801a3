"""Four times as many images take no more memory, in any stage after training."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from stages.artifacts.splits import Split, SplitName, save_splits
from stages.base.files.yaml import read_yaml
from stages.networks.build import build_network
from stages.networks.checkpoint import Checkpoint, save_checkpoint
from tests.conftest import ROOT, environment
from tests.factory import dataset_info
from tools.recipes import merged

SIDE = 48  # pixels; an image takes 7 kB, in float32 27 kB
FEW, MANY = 1024, 4096
MOST = 40 << 20  # bytes: less than half of what the images would take in float32
RUN = """
import importlib, pathlib, sys, yaml
stage = importlib.import_module("stages." + sys.argv[1])
params = yaml.safe_load(pathlib.Path("params.yaml").read_text())
stage.main(stage.Params.model_validate(params))
"""


def prepare(folder: Path, n_test: int) -> None:
    """Splits of noise and a network, as training would leave them."""
    rng = np.random.default_rng(0)
    sizes: dict[SplitName, int] = {"train": 100, "validation": 10, "test": n_test}
    shape = (3, SIDE, SIDE)
    splits = {
        name: Split(rng.integers(0, 256, (n, *shape), np.uint8), np.arange(n) % 3)
        for name, n in sizes.items()
    }
    info = dataset_info("abc", (SIDE, SIDE), 3, mean=0.5)
    save_splits(info, splits, {name: np.arange(n) for name, n in sizes.items()})
    torch.manual_seed(0)
    network = build_network("single_conv", info, {})
    save_checkpoint(Checkpoint(network, "single_conv", {}, info, {}))
    explain = {"images": "all", "outputs": "predicted", "n_background": 2}
    changes = {"data": {"source": "data"}, "explain": explain}
    Path("params.yaml").write_text(yaml.safe_dump(merged(read_yaml(ROOT / "params.yaml"), changes)))


def peak(stage: str) -> int:
    """A stage's peak memory in bytes, without mapped files, which the system can drop."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, stage], env=environment(PYTHONPATH=str(ROOT))
    )
    status, most = Path(f"/proc/{process.pid}/status"), 0
    while process.poll() is None:
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        most = max(most, int(lines.get("RssAnon", "0 kB").split()[0]) << 10)
        time.sleep(0.01)
    assert process.returncode == 0
    return most


@pytest.mark.slow
def test_memory_does_not_grow_with_the_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peaks = []
    for n_images in (FEW, MANY):
        folder = tmp_path / str(n_images)
        folder.mkdir()
        monkeypatch.chdir(folder)
        prepare(folder, n_images)
        peaks.append({stage: peak(stage) for stage in ("evaluate", "explain", "quality", "report")})
    few, many = peaks
    growth = {stage: (many[stage] - few[stage]) >> 20 for stage in few}
    assert {stage: mib for stage, mib in growth.items() if mib > MOST >> 20} == {}, growth
