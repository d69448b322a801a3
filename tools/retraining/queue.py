"""Trains with other seeds through DVC experiments; run again, it goes on where it stopped.

Each training is an experiment `retrain-<seed>` in a temporary copy; the workspace stays as it is.
One that exists already, from the same code, parameters and data, is not run again; stages of others
that ran before come from DVC's run cache.
"""

import contextlib
import fcntl
import subprocess
from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event
from time import monotonic
from typing import IO, Any

from ruamel.yaml import YAML
from tqdm import tqdm

from stages.base.errors.user import UserError
from stages.base.files.yaml import PARAMS_FILE, read_yaml
from tools.recipes import leaves, merged, override
from tools.retraining.git import git, git_or_nothing
from tools.retraining.workspace import record, restore

LOCK = Path("dvc.lock")
LOGS = Path(".dvc/tmp/retraining")
N_SEEDS = 2**32
LOCKED, RETRY_S = "Unable to acquire lock", 3
LAST_LINES = 12  # of a failed training's output that are shown
BY_NETWORK = {"mistakes", "per_class"}  # choices of images that depend on the network


def other_seeds(own: int, n: int) -> list[int]:
    """The n seeds after this run's own; the last seed is followed by 0."""
    return [(own + 1 + number) % N_SEEDS for number in range(n)]


def settings(params: Mapping[str, Any], indices: Sequence[int]) -> dict[str, Any]:
    """Parameters that all trainings share and this run does not have.

    Args:
        params: This run's `params.yaml`.
        indices: Positions in the test split of the images that this run explains. They replace a
            choice that depends on the network, so that all trainings explain the same images.
    """
    changes: dict[str, Any] = {"shortcuts": {"n_images": 0}}
    images = params["explain"]["images"]
    chosen = set(images) if isinstance(images, list) else {images}
    if chosen & BY_NETWORK:
        changes["explain"] = {"images": list(indices)}
    return changes


def train_all(
    seeds: Sequence[int], changes: Mapping[str, Any], jobs: int, lock: IO[str]
) -> list[str]:
    """Train with these seeds, unless that was done; return the commit of each experiment.

    Args:
        seeds: A training for each.
        changes: See `settings`.
        jobs: Trainings at once.
        lock: The lock of `alone`, which each training inherits.

    Raises:
        UserError: A training failed; those that are done are kept.
    """
    found = find_experiments(seeds, changes)
    missing = [seed for seed in seeds if seed not in found]
    if found:
        print(f"{len(found):,} of {len(seeds):,} trainings are done already", flush=True)
    if missing:
        record([_with_seed(changes, seed) for seed in missing])
        try:
            _run_all(missing, changes, jobs, lock)
        finally:
            if advice := restore():
                print(advice, flush=True)
            found = find_experiments(seeds, changes)
            print(f"{len(found):,} of {len(seeds):,} trainings are done and kept", flush=True)
    if lost := [name_of(seed) for seed in seeds if seed not in found]:
        raise UserError(
            f"retrain: {lost[0]} was trained, but not from this code, these parameters and this "
            "data: they changed while it ran; run dvc repro, then the command again"
        )
    return [found[seed] for seed in seeds]


def _with_seed(changes: Mapping[str, Any], seed: int) -> dict[str, Any]:
    return merged(changes, {"train": {"seed": seed}})


def name_of(seed: int) -> str:
    """The name of a training's experiment."""
    return f"retrain-{seed}"


def find_experiments(seeds: Sequence[int], changes: Mapping[str, Any]) -> dict[int, str]:
    """Commits of those trainings' experiments that have the workspace's code, parameters and data.

    Args:
        seeds: Seeds of the trainings.
        changes: Parameters in which they differ from the workspace, besides the seed.
    """
    params = merged(read_yaml(PARAMS_FILE), changes)
    inputs = _inputs(read_yaml(LOCK))
    seed_of = {name_of(seed): seed for seed in seeds}
    found = {}
    for line in git("for-each-ref", "--format=%(objectname) %(refname)", "refs/exps").splitlines():
        commit, _, ref = line.partition(" ")
        seed = seed_of.get(ref.rsplit("/", 1)[-1])
        if seed is None or _content(commit, PARAMS_FILE) != _with_seed(params, seed):
            continue
        if _inputs(_content(commit, LOCK)) == inputs:
            found[seed] = commit
    return found


def _content(commit: str, path: Path) -> dict[str, Any]:
    """A YAML file of a commit; empty if it is missing."""
    text = git_or_nothing("show", f"{commit}:{path}")
    return YAML(typ="safe", pure=True).load(text) or {}


def _inputs(lock: Mapping[str, Any]) -> dict[str, Any]:
    """Digests by path, in a `dvc.lock`, of what no stage writes: code and data."""
    stages = lock.get("stages", {}).values()
    results = {out["path"] for stage in stages for out in stage.get("outs", ())}
    deps = [dep for stage in stages for dep in stage.get("deps", ())]
    return {dep["path"]: dep.get("md5", dep) for dep in deps if dep["path"] not in results}


@contextlib.contextmanager
def alone() -> Iterator[IO[str]]:
    """Wait until no other command trains; a killed command's trainings go on until they are done.

    Each training inherits the lock, so it is free only when the last one has ended.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("trainings of an earlier command are still running; waiting for them", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def _run_all(seeds: Sequence[int], changes: Mapping[str, Any], jobs: int, lock: IO[str]) -> None:
    """Train with these seeds; at the first failure, or at Ctrl-C, start no further training."""
    _remove_outdated({name_of(seed) for seed in seeds})
    bar = tqdm(total=len(seeds), desc="train", unit="training", leave=False, disable=None)
    stopped = Event()
    futures: list[Future[None]] = []
    with bar, ThreadPoolExecutor(jobs) as pool:
        try:
            futures += [pool.submit(_run, seed, changes, lock, bar, stopped) for seed in seeds]
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            stopped.set()
            if wait(futures, timeout=1).not_done:
                bar.write("stopped; waiting for the trainings that are still running")
    for future in futures:
        future.result()


def _run(
    seed: int, changes: Mapping[str, Any], lock: IO[str], bar: "tqdm[Any]", stopped: Event
) -> None:
    """Train with this seed, unless the queue has stopped; a failure stops it."""
    start, name = monotonic(), name_of(seed)
    log = LOGS / f"{name}.log"
    command = ["dvc", "exp", "run", "--temp", "--name", name]
    for key, value in leaves(_with_seed(changes, seed)):
        command += ["--set-param", override(key, value)]
    while not stopped.is_set():
        if _succeeds(command, log, lock):
            bar.write(f"trained and explained with seed {seed} in {monotonic() - start:.0f} s")
            bar.update()
            return
        if LOCKED in _text(log):  # DVC locks the repository for a moment at a run's start and end
            stopped.wait(RETRY_S)
            continue
        stopped.set()
        shown = "\n".join(_text(log).splitlines()[-LAST_LINES:])
        raise UserError(
            f"{shown}\nretrain: the training with seed {seed} failed; {log} has all of its output; "
            "fix the cause, and run the command again: finished trainings are kept"
        )


def _succeeds(command: Sequence[str], log: Path, lock: IO[str]) -> bool:
    with log.open("w") as output:
        done = subprocess.run(
            command, stdout=output, stderr=subprocess.STDOUT, pass_fds=[lock.fileno()], check=False
        )
    return done.returncode == 0


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


def _remove_outdated(names: Set[str]) -> None:
    """Free the names of experiments of the current commit, before any training runs."""
    head = git("rev-parse", "HEAD").strip()
    listed = git("for-each-ref", "--format=%(refname)", f"refs/exps/{head[:2]}/{head[2:]}")
    for ref in listed.splitlines():
        if ref.rsplit("/", 1)[-1] in names:
            git("update-ref", "-d", ref)
