"""A copy of the repository in which the real pipeline has run on a few hundred images."""

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, settings
from playwright.sync_api import Browser, Error, sync_playwright

from stages import (
    download,
    evaluate,
    explain,
    preflight,
    preprocess,
    quality,
    report,
    shortcuts,
    train,
)
from stages.base.files.yaml import read_yaml
from stages.base.params.reading import check_params
from stages.base.tracking import dependencies
from stages.params.whole import AllParams
from tests.projects import (  # noqa: F401  # tests import them from here
    Project,
    assert_refused,
    commit,
    copy,
    environment,
    outcomes,
    unfinished,
)
from tools.recipes import merged

ROOT = Path(__file__).resolve().parents[1]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

# Fuzzing: the same few cases each time, or many and new ones (make test-slow). A case has its own
# limit, which stops it: see tests/fuzz/cases.py.
settings.register_profile(
    "few",
    max_examples=15,
    derandomize=True,
    deadline=None,
    print_blob=True,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink files takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("many", settings.get_profile("few"), max_examples=2000, derandomize=False)
settings.load_profile("few")

NO_SEARCH = {"shortcuts": {"n_images": 0}}
SMALL = {
    "preprocess": {"limit": 600},
    "train": {"epochs": 2},
    "explain": {"n_background": 10, "images": "first", "n_images": 3},
    **NO_SEARCH,
}


def tracked_files() -> list[Path]:
    """The files that a clone of the working tree would contain."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(name) for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def pytest_configure() -> None:
    """Have the tests' files in memory if there is room: they are many, and small."""
    memory = Path("/dev/shm")
    if memory.is_dir():
        status = os.statvfs(memory)
        room = status.f_bavail * status.f_frsize
        if room > 6 * 2**30 and not status.f_flag & os.ST_NOEXEC:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files that need the shared project first; mark `outside`.

    Workers side by side begin in different parts: one makes the project, while the others have
    tests that do not wait for it.
    """
    used = {item: set(getattr(item, "fixturenames", ())) for item in items}
    with_project = {item.path for item, names in used.items() if "fresh_project" in names}
    items.sort(key=lambda item: item.path not in with_project)
    for item in items:
        if {"fresh_project", "browser", "small_disks"} & used[item]:
            item.add_marker("outside")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that stages can run in, in this process."""
    monkeypatch.chdir(tmp_path)
    dependencies._deps.cache_clear()  # of another folder
    return tmp_path


STAGES = (download, preprocess, preflight, train, evaluate, explain, quality, shortcuts, report)


def run_stages(changes: Mapping[str, Any], stages: Sequence[ModuleType] = STAGES) -> None:
    """Run stages, by default all, in this process and folder, with changes to the defaults.

    Nothing is searched for shortcuts unless the changes say so.
    """
    params = merged(merged(read_yaml(ROOT / "params.yaml"), NO_SEARCH), changes)
    check_params(params, AllParams, Path("params.yaml"))
    Path("params.yaml").write_text(yaml.safe_dump(params))
    for stage in stages:
        stage.main(stage.Params.model_validate(params))


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder shared by all workers of this session."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


def made_once(folder: Path, name: str, make: Callable[[Path], None]) -> Project:
    """A checkout that the first worker makes and the others wait for."""
    root = folder / name / "clone"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (done := folder / f"{name}.done").exists():
            make(root)
            done.touch()
    return Project(root)


@pytest.fixture(scope="session")
def fresh_project(shared_folder: Path) -> Project:
    """A fresh clone: committed, nothing run. Not to be changed."""

    def make(root: Path) -> None:
        for name in tracked_files():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, root / name)
        project = Project(root)
        project.succeed("git", "init", "--quiet", "--initial-branch=main")
        share_compiled_loops(root)
        commit(project, "Clone")

    return made_once(shared_folder, "fresh", make)


def share_compiled_loops(root: Path) -> None:
    """Have the engine keep its compiled loops in this checkout, for copies of `root`, too."""
    folder = "engine/src/deepshap/kernels/__pycache__"
    (ROOT / folder).mkdir(exist_ok=True)
    (root / folder).symlink_to(ROOT / folder)
    with (root / ".git/info/exclude").open("a") as file:
        file.write("__pycache__\n")  # a link is not the folder that .gitignore names


@pytest.fixture(scope="session")
def ran_project(fresh_project: Project, shared_folder: Path) -> Project:
    """The pipeline has run on 600 images, with the results committed. Not to be changed."""

    def make(root: Path) -> None:
        project = copy(fresh_project, root)
        project.set(SMALL)
        assert set(project.repro().values()) == {"ran"}
        commit(project, "Run on a few images")

    return made_once(shared_folder, "ran", make)


@pytest.fixture(scope="session")
def two_versions(ran_project: Project, shared_folder: Path) -> Project:
    """`ran_project`, then a commit that trains for one more epoch. Not to be changed."""

    def make(root: Path) -> None:
        project = copy(ran_project, root)
        project.set({"train.epochs": 3})
        project.repro()
        commit(project, "One more epoch")

    return made_once(shared_folder, "two_versions", make)


@pytest.fixture
def project(ran_project: Project, tmp_path: Path) -> Project:
    """A copy of `ran_project` to change."""
    return copy(ran_project, tmp_path / "clone")


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, even if tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real headless Chromium that makes no connections of its own."""
    quiet = ["background-networking", "component-update", "gpu", "quic", "sync"]
    flags = ["--no-sandbox", "--no-first-run", *(f"--disable-{what}" for what in quiet)]
    with sync_playwright() as playwright:
        try:
            launched = playwright.chromium.launch(executable_path=browser_on_path(), args=flags)
        except Error as error:
            if "Executable doesn't exist" not in str(error):
                raise
            pytest.skip(
                f"no browser: none of {', '.join(BROWSERS)} on PATH, and none of Playwright's own "
                "(playwright install chromium)"
            )
        yield launched
        launched.close()


def browser_on_path() -> str | None:
    """The first Chromium-like browser found; without any, Playwright takes its own."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="session")
def small_disks() -> None:
    """Skip where no disk that is too small to write to can be mounted."""
    probe = "mount -t tmpfs -o size=64k tmpfs /mnt"
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", probe]
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no small disk can be mounted here: no unshare")
    if result.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {result.stderr.strip()}")
