"""Plain English, as far as a test can check it; `make check` also runs codespell."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

BANNED = {
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\bbrought\b": "say what was done",
    r"\bas asked for\b": "as requested",
    r"\banew\b": "again, from scratch",
    r"\b(is|are|was|were) told\b": "reported, printed",
    r"\bfor want of\b": "because of too little",
    r"\bspeaks? for and against\b": "evidence for and against",
    r"\bknows? nothing of\b": "ignores",
    r"\bbeside it stands?\b": "next to it is",
    r"\bthat is not there\b": "missing",
    r"\bof one's own\b": "of your own",
    r"\bwhat it takes to\b": "everything needed to",
    r"\bno characters of Unicode\b": "invalid Unicode",
}
SUFFIXES = {".py", ".md", ".yaml", ".yml", ".toml", ".js", ".html", ".jinja", ".ipynb"}
HERE = Path(__file__).relative_to(ROOT)


def texts() -> Iterator[tuple[Path, str]]:
    """Every file with prose in Git, except this one."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in map(Path, listed.splitlines()):
        if name.suffix in SUFFIXES and name != HERE and (ROOT / name).is_file():
            yield name, (ROOT / name).read_text(encoding="utf-8")


def found(pattern: str, suffixes: set[str] = SUFFIXES) -> list[str]:
    """Where a pattern occurs: `path:line: text`."""
    return [
        f"{name}:{number}: {line.strip()}"
        for name, text in texts()
        if name.suffix in suffixes
        for number, line in enumerate(text.splitlines(), 1)
        if re.search(pattern, line)
    ]


@pytest.mark.parametrize(("pattern", "better"), BANNED.items(), ids=BANNED.values())
def test_stilted_words_stay_out(pattern: str, better: str) -> None:
    assert found(pattern) == [], f"write instead: {better}"


def test_no_argument_is_documented_by_a_genitive_without_a_head() -> None:
    assert found(r"^\s+[a-z_]+( \([^)]*\))?: (Of|Its|Those of|That of) ", {".py"}) == []


def test_no_variable_is_named_by_one() -> None:
    assert found(r"(?<!\w)of_[a-z]\w*\s*(=|,.*=|:| in )", {".py"}) == []


def test_packages_say_what_belongs_there() -> None:
    packages = [(name, text) for name, text in texts() if name.name == "__init__.py"]
    silent = [
        str(name)
        for name, text in packages
        if "tests" not in name.parts and ("TODO" in text or not text.startswith('"""'))
    ]
    assert silent == []
