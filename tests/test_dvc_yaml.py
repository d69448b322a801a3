"""dvc.yaml declares exactly what the code uses; every cached result depends on that."""

import ast
import importlib
import subprocess
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo
from pydantic import BaseModel

from stages.base.params.sections import StageParams
from tests.imports import ROOT, closure, code_of_stage, is_code, plugin_files

DVC: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())
STAGES = list(DVC["stages"])
TEMPLATES = {
    "stages/datasets/${data.dataset}.py": "datasets",
    "stages/architectures/${model.architecture}.py": "architectures",
    "stages/explainers/${explain.method}.py": "explainers",
}


@cache
def seen_by_dvc(folder: str) -> set[str]:
    """Files of a declared folder that DVC hashes: all but those that .dvcignore names."""
    with Repo(str(ROOT)) as repo:
        found = list(repo.dvcignore.find(repo.fs, str(ROOT / folder)))
    return {str(Path(path).relative_to(ROOT)) for path in found}


def declared_code(stage: str) -> tuple[set[str], set[str]]:
    """Files, those of a declared folder one by one, and kinds of plug-ins."""
    code = ("stages/", "engine/")
    deps = [dep for dep in DVC["stages"][stage]["deps"] if dep.startswith(code)]
    files: set[str] = set()
    for dep in deps:
        if (ROOT / dep).is_dir():
            files |= {file for file in seen_by_dvc(dep) if is_code(file)}
        elif dep not in TEMPLATES:
            files.add(dep)
    kinds = {TEMPLATES[dep] for dep in deps if dep in TEMPLATES}
    kinds |= {kind for kind in TEMPLATES.values() if f"stages/{kind}" in deps}
    return files - {file for kind in kinds for file in plugin_files(kind)}, kinds


def data_files(files: set[str]) -> set[str]:
    """Templates, styles and scripts in a folder `page` beside modules: they are code as well.

    `stages.base.run.stage` watches the same files while a stage runs.
    """
    folders = {(ROOT / file).parent / "page" for file in files}
    return {str(path.relative_to(ROOT)) for folder in folders for path in folder.glob("*")}


@pytest.mark.parametrize("stage", STAGES)
def test_declared_code_is_what_the_stage_imports(stage: str) -> None:
    files, kinds = code_of_stage(stage)
    assert declared_code(stage) == (files | data_files(files), kinds)


@pytest.mark.parametrize("stage", STAGES)
def test_plugins_import_nothing_that_their_stages_do_not_declare(stage: str) -> None:
    """Or the stage would stop with the plug-in that does; see `stages.base.tracking`."""
    files, kinds = declared_code(stage)
    for plugin in {file for kind in kinds for file in plugin_files(kind)}:
        assert closure(plugin) - {plugin} - files == set(), plugin


def fields_of(model: type[BaseModel]) -> set[str]:
    """Keys that a stage reads: whole sections, or some keys of one."""
    keys: set[str] = set()
    for name, field in model.model_fields.items():
        part = field.annotation
        some = isinstance(part, type) and issubclass(part, StageParams)
        keys |= {f"{name}.{key}" for key in part.model_fields} if some else {name}
    return keys


@pytest.mark.parametrize("stage", STAGES)
def test_declared_parameters_are_what_the_stage_reads(stage: str) -> None:
    fields = fields_of(importlib.import_module(f"stages.{stage}").Params)
    declared = DVC["stages"][stage]["params"]
    everything = set(yaml.safe_load((ROOT / "params.yaml").read_text()))
    assert (everything if declared == [{"params.yaml": None}] else set(declared)) == fields


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_s_dependencies_fit_on_a_screen(stage: str) -> None:
    """Whole folders where possible; single files where a stage needs only some of a folder."""
    assert len(DVC["stages"][stage]["deps"]) <= 22


def test_figures_depend_on_no_other_stages_parameters() -> None:
    assert DVC["stages"]["report"]["params"] == ["report"]


OUTPUTS = [
    next(iter(output)) if isinstance(output, dict) else output
    for stage in DVC["stages"].values()
    for output in [*stage.get("outs", []), *stage.get("metrics", [])]
]


def text_constants(file: Path) -> set[str]:
    """Texts in a module's code; docstrings do not count, since they contain spaces."""
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def test_each_output_has_one_module_that_knows_its_path() -> None:
    modules: dict[str, list[str]] = defaultdict(list)
    for file in (ROOT / "stages").rglob("*.py"):
        constants = text_constants(file)
        for output in OUTPUTS:
            folder, name = output.split("/")
            if output in constants or {folder, name} <= constants:
                modules[output].append(str(file.relative_to(ROOT)))
    assert {output: files for output, files in modules.items() if len(files) != 1} == {}
    assert set(modules) == set(OUTPUTS)


@pytest.mark.parametrize(
    "stage", ["download", "preprocess", "train", "explain", "quality", "shortcuts"]
)
def test_heavy_stages_cache_every_output(stage: str) -> None:
    declared = DVC["stages"][stage]
    outputs = [*declared.get("outs", []), *declared.get("metrics", []), *declared.get("plots", [])]
    assert all(isinstance(output, str) for output in outputs)


def test_no_stage_imports_another() -> None:
    scripts = {f"stages/{stage}.py" for stage in STAGES}
    for stage in STAGES:
        files, _ = code_of_stage(stage)
        assert files & scripts == {f"stages/{stage}.py"}


def test_every_parameter_says_what_it_means() -> None:
    lines = (ROOT / "params.yaml").read_text().splitlines()
    keys = [i for i, line in enumerate(lines) if line.strip() and not line.strip().startswith("#")]
    bare = [lines[i] for i in keys if ": " in lines[i] and not lines[i - 1].strip().startswith("#")]
    assert bare == []


def test_git_ignores_every_output_that_dvc_caches() -> None:
    """Listed one by one: a pattern for all of data would hide files written by `dvc add`."""
    cached = {output for stage in DVC["stages"].values() for output in stage["outs"]}
    command = ["git", "check-ignore", *cached, "data/own.dvc"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.split()
    assert set(listed) == cached
