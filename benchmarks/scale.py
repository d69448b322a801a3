"""Measures how time, memory and disk space grow with the number of explained images.

Usage:
    python -m benchmarks.scale

It works in a copy of the repository with the results of the last `dvc repro`. It explains the
predicted class of a thousand and of ten thousand test images, and extrapolates to a million and ten
million on the line through both.

Memory excludes mapped files, which the system can drop at any time.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import yaml

from stages.base.files.yaml import PARAMS_FILE, read_yaml

MEASURED = (1_000, 10_000)
ASKED = (1_000_000, 10_000_000)
STAGES = {  # with the folders that they write
    "explain": ("data/shap", "data/portable"),
    "quality": ("data/quality",),
    "shortcuts": ("data/shortcuts",),
    "report": ("plots",),
}
NEEDED = ("data/prepared", "data/model", "data/predictions")
GIB = 2**30


class Cost(NamedTuple):
    """The resources that a stage needs."""

    seconds: float
    memory: float  # peak, in bytes
    disk: float  # bytes


def main() -> None:
    """Run the stages in a copy, measure them and print the costs."""
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        root = Path(folder) / "clone"
        copy_repository(root)
        costs = {n: {stage: measured(root, n, stage) for stage in STAGES} for n in MEASURED}
    for stage in STAGES:
        few, many = (costs[n][stage] for n in MEASURED)
        print_costs(
            stage, {**dict(zip(MEASURED, (few, many), strict=True)), **extrapolated(few, many)}
        )


def copy_repository(root: Path) -> None:
    """Copy the code and the results that the measured stages read."""
    ignore = shutil.ignore_patterns(".git", ".dvc", ".venv", "*cache*", "data", "plots")
    shutil.copytree(Path.cwd(), root, ignore=ignore)
    for name in NEEDED:
        shutil.copytree(name, root / name)


def measured(root: Path, n_images: int, stage: str) -> Cost:
    """The cost of one stage with n images to explain."""
    params = read_yaml(PARAMS_FILE)
    params["explain"] |= {"images": "first", "n_images": n_images, "outputs": "predicted"}
    params["shortcuts"] |= {"n_images": n_images}
    (root / PARAMS_FILE).write_text(yaml.safe_dump(params), encoding="utf-8")
    print(f"{stage}, {n_images:,} images", file=sys.stderr, flush=True)
    start, peak = time.perf_counter(), 0
    process = subprocess.Popen([sys.executable, "-m", f"stages.{stage}"], cwd=root)
    while process.poll() is None:
        peak = max(peak, memory_of(process.pid))
        time.sleep(0.05)
    if process.returncode != 0:
        sys.exit(f"{stage} failed; see above")
    files = [path for name in STAGES[stage] for path in (root / name).rglob("*") if path.is_file()]
    disk = sum(path.stat().st_size for path in files)
    return Cost(time.perf_counter() - start, peak, disk)


def memory_of(pid: int) -> int:
    """Memory of a process without mapped files, in bytes; 0 after it has exited."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except FileNotFoundError:
        return 0
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return int(fields.get("RssAnon", "0").split()[0]) * 1024


def extrapolated(few: Cost, many: Cost) -> dict[int, Cost]:
    """The costs of more images, on the line through both measurements."""
    low, high = MEASURED
    return {
        n: Cost(
            *(b + max(0, b - a) / (high - low) * (n - high) for a, b in zip(few, many, strict=True))
        )
        for n in ASKED
    }


def print_costs(stage: str, costs: dict[int, Cost]) -> None:
    """Print one line per number of images."""
    for n, cost in costs.items():
        print(
            f"{stage:9} {n:>11,} images: {cost.seconds / 3600:8.3f} h, "
            f"{cost.memory / GIB:6.2f} GiB of memory, {cost.disk / GIB:8.2f} GiB on disk",
            flush=True,
        )


if __name__ == "__main__":
    main()
