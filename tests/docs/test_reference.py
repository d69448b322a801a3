"""The reference pages are complete and up to date."""

import re

import yaml

from tests.conftest import ROOT, Project
from tools.params_reference import PAGE, page

DOCS = ROOT / "docs"


def test_the_parameters_are_those_of_the_models() -> None:
    """If this fails: python -m tools.params_reference."""
    assert (ROOT / PAGE).read_text() == page((ROOT / "params.yaml").read_text())


def test_every_parameter_has_its_meaning_and_default() -> None:
    text = (ROOT / PAGE).read_text()
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for name, section in params.items():
        for path in [f"{name}.{key}" for key in section] if isinstance(section, dict) else [name]:
            (entry,) = re.findall(
                rf"^##+ {re.escape(path)}\n\n(.+)\n\n- Default: `(.+)`", text, re.M
            )
            assert all(entry)


def test_every_result_is_described(ran_project: Project) -> None:
    text = (DOCS / "reference/files.md").read_text()
    results = [
        path.relative_to(ran_project.root)
        for folder in ("data", "plots", "metrics")
        for path in (ran_project.root / folder).rglob("*")
        if path.is_file()
        and path.parts[-2] not in ("raw", "embedded")
        and path.name != ".gitignore"
    ]
    named = re.sub(r"\{(\w+),(\w+),(\w+)\}(\w+\.npy)", r"\1\4 \2\4 \3\4", text)
    for path in results:
        if path.parts[:2] in (("data", "embedded"), ("data", "raw")) or path.name == ".gitignore":
            continue  # not results, or the data set's own files
        known = re.sub(r"_\d{3}", "_*", path.name)
        assert known in named or str(path) in named, path


def test_every_command_is_described() -> None:
    text = (DOCS / "reference/commands.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^\.PHONY: (.+)$", makefile, re.M)[0].split()
    assert {target for target in targets if f"make {target}" not in text} == set()
    commands = set(re.findall(r"python -m (tools\.\w+)", makefile))
    # Steps of a target
    internal = {"tools.next_steps", "tools.params_reference", "tools.plots_page"}
    assert {command for command in commands - internal if command not in text} == set()


def test_the_glossary_is_short_and_sorted() -> None:
    text = (DOCS / "reference/glossary.md").read_text()
    terms = re.findall(r"^(\S.*)\n:   ", text, re.M)
    assert len(terms) <= 40
    assert terms == sorted(terms, key=str.casefold)


def test_promises_name_tests_that_exist() -> None:
    text = (DOCS / "understand/reproducibility.md").read_text()
    paths = set(re.findall(r"`((?:tests|engine)/[\w/.]+)`", text))
    assert len(paths) > 20
    assert {path for path in paths if not (ROOT / path).exists()} == set()
