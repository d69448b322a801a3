"""README and docs, run: every block of commands is executed here, or listed with the reason."""

import functools
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
import yaml
from dvc.utils.hydra import apply_overrides
from PIL import Image
from torch import nn

from stages.base.files.formats import read_json
from stages.base.files.yaml import read_yaml
from stages.base.params.reading import check_params
from stages.params.whole import AllParams
from tests.conftest import ROOT, Project, assert_refused, commit, copy, environment
from tests.docs.pages import Block, blocks
from tools.recipes import merged

# By their commands: several pages may have the same block.
CONSOLE = {"\n".join(block.commands): block for block in blocks("console")}

RUN = {
    "start": "git clone <this repository> shap-pipeline && cd shap-pipeline",
    "change": "dvc repro\ndvc params diff",
    "overview": "dvc repro\ndvc metrics diff",
    "compare": "make compare REV=HEAD",
    "review": "make verdict REV=HEAD~1",
    "keep": 'git commit --all --message "Train for three epochs"',
    "experiments": "dvc exp run -S train.epochs=3",
    "share": "dvc remote add --default shared /mnt/shared/results",
    "push a version": "dvc repro && git commit --all",
    "push old versions": "dvc remote add --local --default shared /mnt/shared/results",
    "an archive": "git init && git add --all",
    "picture": "make explain IMAGE=photo.png",
}
NOT_RUN = {
    "python3 -m venv .venv && source .venv/bin/activate": "installs 7 GB; CI sets up by make",
    'pip install "deepshap[fast] @ git+<this repository>#subdirectory=engine"': (
        "needs a published address; engine/tests builds the wheel and uses it"
    ),
    "dvc add data/pets": "needs photographs; tests/test_photographs_recipe.py runs this recipe",
    "make league": "explains for a minute; tests/tools/league runs the command",
    "ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2": "runs the whole default run for its bytes",
    "make recipe NAME=planted_tag": "trains for minutes; tests/test_shortcuts.py plants one",
    "dvc exp run -n repaired": "as above; tests/test_shortcuts.py compares two",
    "make retrain N=10": "trains ten times; tests/tools/retraining trains four, killed once",
    "make adopt FROM=microsoft/resnet-50": "needs the hub; tests/tools/adopt has folders",
    'git tag --annotate explanation@v1.0.0 --message "Default run"': "tests/test_artifacts_get.py",
}
SHELL_NOT_RUN = {
    "docs/how-to/several-processors-and-hosts.md": (
        "two hosts and SLURM: tests/test_two_hosts.py runs the lines on two network namespaces"
    ),
}


def console(start: str) -> Block:
    """The block that starts with these commands."""
    (found,) = (block for commands, block in CONSOLE.items() if commands.startswith(start))
    return found


def test_every_console_block_is_run_or_listed_with_a_reason() -> None:
    listed = [console(start) for start in (*RUN.values(), *NOT_RUN)]
    assert set(map(id, listed)) == set(map(id, CONSOLE.values()))


def test_shell_scripts_are_listed_with_a_reason() -> None:
    assert {block.page for block in blocks("sh")} == set(SHELL_NOT_RUN)


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: block.page)
def test_settings_are_valid(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With files of these names in place."""
    monkeypatch.chdir(tmp_path)
    changes = yaml.safe_load(block.text)
    Path("data/pets").mkdir(parents=True)
    Path("data/embedded").mkdir()
    Path("weights").mkdir()
    if not (source := Path(changes.get("data", {}).get("source", "data"))).exists():
        source.touch()
    if weights := changes.get("model", {}).get("weights"):
        (Path("weights") / weights).touch()
    check_params(merged(read_yaml(ROOT / "params.yaml"), changes), AllParams, Path("params.yaml"))


def test_the_repair_takes_the_planted_mark_away(tmp_path: Path) -> None:
    file, params = tmp_path / "params.yaml", read_yaml(ROOT / "params.yaml")
    planted = merged(params, read_yaml(ROOT / "recipes/planted_tag.yaml"))
    file.write_text(yaml.safe_dump(planted))
    command = shlex.split(console("dvc exp run -n repaired").commands[0])
    apply_overrides(file, [command[command.index("-S") + 1]])
    assert planted["data"]["options"]
    assert read_yaml(file)["data"]["options"] == {}


AUTHOR = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "Test"), ("EMAIL", "test@example.org"))
}
NO_WORDS: Mapping[str, str] = {}


@pytest.fixture
def ready(tmp_path: Path) -> dict[str, str]:
    """Variables under which `run` has `make` take this environment for the one it has set up.

    Make ignores `-o` in MAKEFLAGS, so each call of `make` gets it.
    """
    folder = tmp_path / "environment"
    folder.mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):  # whatever else Python finds its packages by
        (folder / name).symlink_to(Path(sys.prefix) / name)
    (folder / ".ready").touch()
    (folder / ".ready-extras").touch()
    options = f"VENV={folder} -o {folder}/.ready -o {folder}/.ready-extras"
    return {"MAKE_OPTIONS": options, "BROWSER": "true %s"}


def run(
    project: Project, name: str, variables: dict[str, str], words: Mapping[str, str] = NO_WORDS
) -> list[str]:
    """Run a block in one shell, with `words` replaced; return what each command printed."""
    script = ["set -e", 'make() { command make $MAKE_OPTIONS "$@"; }']
    for command in console(RUN[name]).commands:
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
    accuracy, explained, *_, where, _, keep = [line for line in repro.splitlines() if line][-7:]
    assert re.match(r"mnist, convnet: test accuracy \d+\.\d\d%, log loss \d", accuracy)
    assert explained.startswith("7 test images explained by DeepSHAP, additive to within")
    assert where.split()[-1] == f"file://{tmp_path}/shap-pipeline/plots/explorer.html"
    assert keep.startswith("  git commit --all")  # few images give another dvc.lock
    assert "shap-pipeline/dvc_plots/index.html" in plots


@pytest.mark.slow  # a run
def test_change_something(project: Project, ready: dict[str, str]) -> None:
    project.set({"train.epochs": 3})
    repro, params, metrics, plots, *_ = run(project, "change", ready)
    shown = console(RUN["change"]).text
    told = re.findall(r"^(?:Running stage|Stage) '\w+'.*$", shown, re.M)
    assert re.findall(r"^(?:Running stage|Stage) '\w+'.*$", repro, re.M) == told
    assert re.search(r"params.yaml  train.epochs  2 +3", params)
    names = re.findall(r"^metrics/\S+ +(\S+)", shown, re.M)
    assert len(names) > 5
    changed = set(re.findall(r"^metrics/\S+ +(\S+)", metrics, re.M))
    known = [read_json(file) for file in (project.root / "metrics").glob("*.json")]
    assert len(changed.intersection(names)) > 5  # of few images, not all change
    assert set(names) <= set().union(*known)
    assert plots.startswith("file:///")


@pytest.mark.slow  # a run
def test_the_overview_and_keeping_a_change(project: Project, ready: dict[str, str]) -> None:
    for key, value in (("user.name", "Test"), ("user.email", "test@example.org")):
        project.succeed("git", "config", key, value)
    project.set({"train.epochs": 3})
    _, metrics, _, compared, *_ = run(project, "overview", ready)
    assert "accuracy" in metrics
    assert "Similarity" in compared
    *_, kept, _ = run(project, "keep", ready)
    assert "accuracy" in kept


def test_compare(two_versions: Project, ready: dict[str, str], tmp_path: Path) -> None:
    project = copy(two_versions, tmp_path / "clone")
    (printed, *_) = run(project, "compare", ready, {"REV=HEAD": "REV=HEAD~1"})
    words = r"Similarity \S+ ± \S+, where other background images alone would give "
    assert re.search(words, printed)


def test_review(ran_project: Project, ready: dict[str, str]) -> None:
    (printed, _) = run(ran_project, "review", ready, {"REV=HEAD~1": "REV=HEAD"})
    shown = console(RUN["review"]).text.splitlines()[1]
    assert shown in printed.splitlines()


@pytest.mark.slow  # four runs
def test_experiments(project: Project, ready: dict[str, str]) -> None:
    block = console(RUN["experiments"])
    assert [line.split()[:3] for line in block.commands][2] == ["dvc", "queue", "start"]
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


@pytest.mark.slow  # a run
def test_push_each_version(project: Project, ready: dict[str, str], tmp_path: Path) -> None:
    bare, results = tmp_path / "bare.git", tmp_path / "results"
    project.succeed("git", "init", "--quiet", "--bare", str(bare))
    project.succeed("git", "remote", "add", "origin", str(bare))
    project.succeed("dvc", "remote", "add", "--default", "shared", str(results))
    commit(project, "Name the shared folder")
    project.succeed("git", "tag", "two-epochs")
    project.succeed("dvc", "push")
    project.set({"train.epochs": 3})
    run(project, "push a version", {**ready, **AUTHOR})
    clone = Project(tmp_path / "other")
    project.succeed("git", "clone", "--quiet", str(project.root), str(clone.root))
    printed = clone.succeed("python", "-m", "tools.compare", "two-epochs", "three-epochs")
    assert "train.epochs: 2 → 3" in printed


@pytest.mark.slow  # compares two runs
def test_push_versions_from_before_the_remote(
    two_versions: Project, ready: dict[str, str], tmp_path: Path
) -> None:
    project, clone = copy(two_versions, tmp_path / "project"), Project(tmp_path / "clone")
    words = {"/mnt/shared/results": str(tmp_path / "results")}
    project.succeed("git", "tag", "one", "HEAD~1")
    project.succeed("git", "tag", "two")
    project.succeed("dvc", "remote", "add", "--default", "shared", str(tmp_path / "results"))
    commit(project, "Name the shared folder")
    project.succeed("dvc", "push")
    project.succeed("git", "clone", "--quiet", str(project.root), str(clone.root))
    compare = ("python", "-m", "tools.compare", "one", "two")
    refused = clone.run(*compare)
    assert_refused(
        refused,
        r"^error: one \(\w{7}\): data/shap is neither in DVC's cache nor in a remote; dvc push "
        r"sends the workspace's version alone, .*run dvc push --all-commits .*; or make it: git ",
    )
    assert not re.search(r"errno|md5|\.dvc/", refused.stderr, re.IGNORECASE)
    run(project, "push old versions", ready, words)
    assert "train.epochs: 2 → 3" in clone.succeed(*compare)


def test_a_downloaded_archive(
    fresh_project: Project, ready: dict[str, str], tmp_path: Path
) -> None:
    project = copy(fresh_project, tmp_path / "archive")
    shutil.rmtree(project.root / ".git")
    verify, compare = ("python", "-m", "tools.verify"), ("python", "-m", "tools.compare", "HEAD")
    for command in (verify, compare):
        assert_refused(project.run(*command), r"no Git repository, which DVC needs; run git init")
    run(project, "an archive", {**ready, **AUTHOR})
    assert "missing, not checked: " in project.succeed(*verify)
    assert_refused(project.run(*compare), r"HEAD \(\w+\): data/shap is neither in DVC's cache nor")


def test_your_own_picture(project: Project, ready: dict[str, str]) -> None:
    Image.new("L", (28, 28)).save(project.root / "photo.png")
    printed, _ = run(project, "picture", ready)
    assert printed.splitlines()[0].endswith("photo.png") or "photo.png: probability" in printed
    assert (project.root / "explained/sheet_000.png").is_file()


PYTHON = blocks("python")


def test_every_python_block_is_run() -> None:
    kinds = ("DeepShap(", "def build(", "Explanation.load()", "keras.Sequential(")
    assert [block for block in PYTHON if not any(kind in block.text for kind in kinds)] == []


ENGINE = [block for block in PYTHON if "DeepShap(" in block.text]


@pytest.mark.parametrize("block", ENGINE, ids=lambda block: block.page)
def test_the_engine_alone(block: Block) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).eval()
    known = {
        "network": network,
        "background": torch.rand(4, 1, 8, 8),
        "images": torch.rand(2, 1, 8, 8),
        "tensor": torch.tensor([[0, 1], [2, 3]]),
    }
    exec(block.text, known)
    n_outputs = 2 if "tensor" in block.text else 10
    assert known["values"].shape == (2, 1, 8, 8, n_outputs)


def test_a_network_of_one_file() -> None:
    (block,) = (block for block in PYTHON if "def build(" in block.text)
    assert (ROOT / "stages/architectures/single_conv.py").read_text() == block.text


@pytest.mark.slow  # loads Keras
def test_the_keras_file_of_the_recipes_is_made_as_written(tmp_path: Path) -> None:
    (block,) = (block for block in PYTHON if "keras.Sequential(" in block.text)
    (tmp_path / "weights").mkdir()
    compared = f"""{block.text}
files = "weights/convnet.keras", "{ROOT}/weights/convnet.keras"
made, kept = (keras.saving.load_model(file) for file in files)
assert made.to_json() == kept.to_json()
for new, old in zip(made.get_weights(), kept.get_weights(), strict=True):
    assert (new == old).all()
"""
    subprocess.run([sys.executable, "-c", compared], cwd=tmp_path, check=True)


def test_an_explanation_in_python(ran_project: Project) -> None:
    (block,) = (block for block in PYTHON if "Explanation.load()" in block.text)
    ran_project.succeed("python", "-c", block.text)
