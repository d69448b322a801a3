"""Runs a stage or a tool while calls fail: `python -m tests.faults.commands stages.train`.

Runs in a project with results, and prints each problem on a line. This module imports little
and is outside that project, since a stage accepts no module there that dvc.yaml does not name.
"""

import sys
from functools import partial
from importlib import import_module
from pathlib import Path

import yaml

from tests.faults.harness import Writer, one_kind, problems

TOOLS = {  # arguments; what each writes
    "tools.compare.__main__": (["HEAD"], "plots/comparison"),
    "tools.explain": (["picture.png", "--output", "explained"], "explained/sheet_000.png"),
    "tools.export": (["--output", "export"], "export/model.onnx export/model.safetensors"),
    "tools.plots_page": ([], ".dvc/plots_page.html"),
}


def stage(name: str) -> Writer:
    """A stage; it can also fail to open what it reads."""
    sys.argv[0] = "-m"  # as while `python -m stages.<name>` starts: `stages` notes its code
    from stages.base.run.stage import run_stage

    module = import_module(name)
    short = name.removeprefix("stages.")
    sys.argv[0] = f"stages/{short}.py"
    entry = yaml.safe_load(Path("dvc.yaml").read_text())["stages"][short]
    written = [*entry["outs"], *(next(iter(metric)) for metric in entry.get("metrics", []))]
    command = partial(run_stage, module.main, module.Params, needs_less="")
    results = [Path(path) for path in written]
    grows = Path("plots/training.csv") if short == "train" else None
    return Writer(command, results, ["data", "plots", "metrics"], grows)


def tool(name: str) -> Writer:
    """A tool."""
    from tools.command import run_command

    arguments, written = TOOLS[name]
    sys.argv = [name, *arguments]
    command = partial(run_command, import_module(name).main)
    results = [Path(path) for path in written.split()]
    return Writer(command, results, written.split())


if __name__ == "__main__":
    writer = tool(sys.argv[1]) if sys.argv[1] in TOOLS else stage(sys.argv[1])
    for line in problems(writer, one_kind):
        print(line, flush=True)
