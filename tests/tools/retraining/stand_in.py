"""A program in place of dvc, and what the tests of the queue share."""

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT
from tools.retraining import queue
from tools.retraining.queue import alone, settings

PARAMS: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
LOCK_TEXT = """schema: '2.0'
stages:
  train:
    cmd: python -m stages.train
    deps:
    - path: data/prepared
      hash: md5
      md5: {prepared}.dir
      size: 1
    - path: stages/train.py
      hash: md5
      md5: {code}
      size: 1
    outs:
    - path: data/model
      hash: md5
      md5: {model}
      size: 1
  preprocess:
    cmd: python -m stages.preprocess
    outs:
    - path: data/prepared
      hash: md5
      md5: {prepared}.dir
      size: 1
"""
# Records the run as an experiment, as dvc does: params.yaml with these parameters, a commit, a ref.
STAND_IN = r"""#!/usr/bin/env python3
import os, re, signal, subprocess, sys, time
from pathlib import Path

name = sys.argv[sys.argv.index("--name") + 1]
with Path("calls").open("a") as calls:
    print(" ".join(sys.argv[1:]), file=calls)
if Path(f"fail-{name}").exists():
    sys.exit("error: no luck today")
if Path(f"ctrl-c-{name}").exists():
    os.kill(os.getppid(), signal.SIGINT)
    sys.exit("interrupted")
if (busy := Path(f"busy-{name}")).exists():
    busy.unlink() if busy.read_text() == "" else time.sleep(0.1)
    sys.exit("ERROR: Unable to acquire lock. Most likely another DVC process is running")
if "MEET" in os.environ:  # until as many run at once
    Path(f"runs-{name}").touch()
    deadline = time.monotonic() + 60
    while len(list(Path().glob("runs-*"))) < int(os.environ["MEET"]):
        if time.monotonic() > deadline:
            sys.exit("alone")
        time.sleep(0.1)
text = Path("params.yaml").read_text()
seed = re.search(r"train\.seed=(\d+)", " ".join(sys.argv))[1]
text = re.sub("  seed: null", f"  seed: {seed}", text).replace("n_images: 2000", "n_images: 0")

def git(*arguments, **options):
    command = ["git", *arguments]
    return subprocess.run(command, check=True, text=True, stdout=-1, **options).stdout.strip()

blob = git("hash-object", "-w", "--stdin", input=text)
index = {**os.environ, "GIT_INDEX_FILE": f".git/index-{name}"}
git("read-tree", "HEAD", env=index)
git("update-index", "--cacheinfo", f"100644,{blob},params.yaml", env=index)
tree, head = git("write-tree", env=index), git("rev-parse", "HEAD")
commit = git("commit-tree", tree, "-p", head, "-m", name)
git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", commit, "")
"""


def lock(folder: Path, code: str = "c0", model: str = "m0", prepared: str = "p0") -> None:
    text = LOCK_TEXT.format(code=code, model=model, prepared=prepared)
    (folder / "dvc.lock").write_text(text)


def calls() -> list[str]:
    """The experiments that were started, in order."""
    text = Path("calls").read_text() if Path("calls").exists() else ""
    return re.findall(r"--name (\S+)", text)


CHANGES = settings(PARAMS, [])


def train_all(seeds: list[int], changes: Any, jobs: int) -> list[str]:
    """As the command does."""
    with alone() as lock:
        return queue.train_all(seeds, changes, jobs, lock)


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], check=True, text=True, stdout=subprocess.PIPE)
    return done.stdout.strip()
