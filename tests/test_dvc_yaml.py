"""What dvc.yaml declares is what the code does: the condition for every cached result."""

import importlib
from typing import Any

import pytest
import yaml

from tests.imports import ROOT, code_of_stage

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
            files |= {str(path.relative_to(ROOT)) for path in (ROOT / dep).rglob("*.py")}
        elif dep not in TEMPLATES:
            files.add(dep)
    return files, {TEMPLATES[dep] for dep in deps if dep in TEMPLATES}


def data_files(files: set[str]) -> set[str]:
    """Templates, styles and scripts that lie beside modules and are read by them."""
    python = [ROOT / file for file in files]
    beside = {path for file in python for path in file.parent.glob("*.*")}
    return {
        str(path.relative_to(ROOT))
        for path in beside
        if path.suffix in {".html", ".css", ".js"}
        and any(path.name in file.read_text() for file in python if file.parent == path.parent)
    }


@pytest.mark.parametrize("stage", STAGES)
def test_declared_code_is_what_the_stage_imports(stage: str) -> None:
    files, kinds = code_of_stage(stage)
    assert declared_code(stage) == (files | data_files(files), kinds)


@pytest.mark.parametrize("stage", STAGES)
def test_declared_parameters_are_what_the_stage_reads(stage: str) -> None:
    fields = set(importlib.import_module(f"stages.{stage}").Params.model_fields)
    declared = DVC["stages"][stage]["params"]
    if stage == "check":
        assert declared == [{"params.yaml": None}]
        assert fields == set(yaml.safe_load((ROOT / "params.yaml").read_text()))
    else:
        assert set(declared) == fields


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
