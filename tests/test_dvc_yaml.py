"""What dvc.yaml declares is what the code does: the condition for every cached result."""

import importlib
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from stages.core.sections import StageParams
from tests.imports import ROOT, code_of_stage, plugin_files

DVC: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())
STAGES = list(DVC["stages"])
TEMPLATES = {
    "stages/datasets/${data.dataset}.py": "datasets",
    "stages/architectures/${model.architecture}.py": "architectures",
    "stages/explainers/${explain.method}.py": "explainers",
}


def declared_code(stage: str) -> tuple[set[str], set[str]]:
    """Files, those of a declared folder one by one, and kinds of plug-ins."""
    deps = [dep for dep in DVC["stages"][stage]["deps"] if dep.startswith("stages/")]
    files: set[str] = set()
    for dep in deps:
        if (ROOT / dep).is_dir():
            inside = [path for path in (ROOT / dep).rglob("*.py") if path.read_text().strip()]
            files |= {str(path.relative_to(ROOT)) for path in inside}
        elif dep not in TEMPLATES:
            files.add(dep)
    kinds = {TEMPLATES[dep] for dep in deps if dep in TEMPLATES}
    kinds |= {kind for kind in TEMPLATES.values() if f"stages/{kind}" in deps}
    return files - {file for kind in kinds for file in plugin_files(kind)}, kinds


def data_files(files: set[str]) -> set[str]:
    """Templates, styles and scripts in a folder `page` beside modules: they are code as well."""
    folders = {(ROOT / file).parent / "page" for file in files}
    return {str(path.relative_to(ROOT)) for folder in folders for path in folder.glob("*")}


@pytest.mark.parametrize("stage", STAGES)
def test_declared_code_is_what_the_stage_imports(stage: str) -> None:
    files, kinds = code_of_stage(stage)
    assert declared_code(stage) == (files | data_files(files), kinds)


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


@pytest.mark.parametrize("stage", ["download", "preprocess", "train", "explain"])
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
