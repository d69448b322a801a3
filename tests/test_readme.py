"""The README's words, run: every block of commands is executed here, or listed with the reason."""

import functools
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from tests.conftest import ROOT, Project, commit, copy, environment

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Fenced blocks of a language."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", README, re.M | re.S)
    return [re.sub(rf"^{indent}", "", text, flags=re.M) for indent, text in found]


def commands(block: str) -> list[str]:
    """What is typed, without comments."""
    lines = [line for line in block.splitlines() if line.startswith("$ ")]
    return [re.sub(r"\s{2,}#.*", "", line[2:]) for line in lines]


CONSOLE = {commands(block)[0]: block for block in blocks("console")}

# By their first command.
NOT_RUN = {
    "make check": "the tests would run themselves; CI runs these commands, and bench takes an hour",
}
RUN = {
    "start": "git clone <this repository> shap-pipeline && cd shap-pipeline",
    "change": "dvc repro",
    "compare": "make compare REV=HEAD",
    "experiments": "dvc exp run -S train.epochs=3",
    "share": "dvc remote add --default shared /mnt/shared/results",
    "picture": "make explain IMAGE=photo.png",
}


def test_every_block_is_run_or_listed_with_a_reason() -> None:
    assert set(CONSOLE) == {*RUN.values(), *NOT_RUN}
    assert len(CONSOLE) == README.count("```console")


NO_WORDS: Mapping[str, str] = {}


@pytest.fixture
def ready(tmp_path: Path) -> dict[str, str]:
    """Variables under which `make` takes this environment for the one that it has set up."""
    folder = tmp_path / "environment"
    folder.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):  # whatever else Python finds its packages by
        (folder / name).symlink_to(Path(sys.prefix) / name)
    (folder / ".ready").touch()
    return {"MAKEFLAGS": f"VENV={folder} -o {folder}/.ready", "BROWSER": "true %s"}


def run(
    project: Project, name: str, variables: dict[str, str], words: Mapping[str, str] = NO_WORDS
) -> list[str]:
    """Run a block in one shell, word for word but for `words`; what each command printed."""
    script = ["set -e"]
    for command in commands(CONSOLE[RUN[name]]):
        changed = functools.reduce(lambda text, word: text.replace(*word), words.items(), command)
        script += [changed, "echo '-- next --'"]
    result = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=project.root,
        env=environment(**variables),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.split("-- next --\n")


@pytest.mark.slow  # a whole run
def test_the_start(fresh_project: Project, ready: dict[str, str], tmp_path: Path) -> None:
    """On few images, so that it takes half a minute; `make setup` is not run."""
    source = copy(fresh_project, tmp_path / "source")
    source.set({"preprocess.limit": 600, "train.epochs": 1, "explain.n_images": 7})
    commit(source, "Few images")
    _, repro, plots, *_ = run(
        Project(tmp_path), "start", ready, {"<this repository>": str(source.root)}
    )
    accuracy, explained, *_, where, _ = [line for line in repro.splitlines() if line][-6:]
    assert re.match(r"mnist, convnet: test accuracy \d+\.\d\d%, log loss \d", accuracy)
    assert explained.startswith("7 test images explained by DeepSHAP, additive to within")
    assert where.split()[-1] == f"file://{tmp_path}/shap-pipeline/plots/explorer.html"
    assert "shap-pipeline/dvc_plots/index.html" in plots


def test_the_stages() -> None:
    (printed,) = re.findall(r"```mermaid\n(.*?)```", README, re.S)
    dag = Project(ROOT).succeed("dvc", "dag", "--md")
    assert printed.strip() in dag


@pytest.mark.slow  # a run
def test_change_something(project: Project, ready: dict[str, str]) -> None:
    project.set({"train.epochs": 3})
    repro, params, metrics, plots, *_ = run(project, "change", ready)
    shown = CONSOLE[RUN["change"]]
    told = re.findall(r"^(?:Running stage|Stage) '\w+'.*$", shown, re.M)
    assert re.findall(r"^(?:Running stage|Stage) '\w+'.*$", repro, re.M) == told
    assert re.search(r"params.yaml  train.epochs  2 +3", params)
    names = re.findall(r"^metrics/\S+ +(\S+)", shown, re.M)
    assert len(names) > 10
    assert set(names) <= set(re.findall(r"^metrics/\S+ +(\S+)", metrics, re.M))
    assert plots.startswith("file:///")


def test_compare(two_versions: Project, ready: dict[str, str], tmp_path: Path) -> None:
    project = copy(two_versions, tmp_path / "clone")
    (printed, *_) = run(project, "compare", ready, {"REV=HEAD": "REV=HEAD~1"})
    words = r"Similarity \S+ ± \S+, where other background images alone would give "
    assert re.search(words, printed)


@pytest.mark.slow  # four runs
def test_experiments(project: Project, ready: dict[str, str]) -> None:
    block = CONSOLE[RUN["experiments"]]
    assert [line.split()[:3] for line in commands(block)][2] == ["dvc", "queue", "start"]
    words = {
        "50,100,200": "5,6,7",  # of few images
        "dvc queue start": "dvc queue start && sleep 5 && while dvc queue status | "
        "grep -qE 'Running|Queued'; do sleep 1; done",
        "dvc exp apply <name>": "dvc exp apply $(dvc exp list --name-only | head -1)",
    }
    *_, table, _, _ = run(project, "experiments", ready, words)
    lines = table.splitlines()
    assert max(map(len, lines)) <= 100
    assert sum("explain.n_background: " in line for line in lines) == 3
    assert sum("train.epochs: 3" in line for line in lines) == 4  # queued from that workspace


@pytest.mark.slow
def test_share(project: Project, ready: dict[str, str], tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    project.succeed("git", "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    project.succeed("git", "remote", "add", "origin", str(bare))
    project.succeed("git", "push", "--quiet", "--set-upstream", "origin", "main")
    for key, value in (("user.name", "Test"), ("user.email", "test@example.org")):
        project.succeed("git", "config", key, value)
    words = {
        "/mnt/shared/results": str(tmp_path / "results"),
        "<this repository>": str(bare),
        " && source .venv/bin/activate": "",  # which make setup would have made
    }
    *_, pulled, repro, _ = run(project, "share", ready, words)
    assert re.search(r"\d+ files fetched and \d+ files added", pulled)
    assert repro.strip().endswith("Data and pipelines are up to date.")
    assert "Running" not in repro


def test_your_own_picture(project: Project, ready: dict[str, str]) -> None:
    Image.new("L", (28, 28)).save(project.root / "photo.png")
    printed, _ = run(project, "picture", ready)
    assert printed.splitlines()[0].endswith("photo.png") or "photo.png: probability" in printed
    assert (project.root / "explained/sheet_000.png").is_file()


PYTHON = blocks("python")


def test_the_engine_by_itself() -> None:
    (block,) = (text for text in PYTHON if "DeepShap" in text)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()
    known = {
        "network": network,
        "background": torch.rand(4, 1, 8, 8),
        "images": torch.rand(2, 1, 8, 8),
        "tensor": torch.tensor([[0, 1], [2, 3]]),
    }
    exec(block, known)
    assert known["values"].shape == (2, 1, 8, 8, 2)
