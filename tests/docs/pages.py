"""The documentation's pages, and the code blocks on them."""

import re
from typing import NamedTuple

from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


class Block(NamedTuple):
    """A fenced block: its page, from the root, its language, and its text."""

    page: str
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """What is typed in a console block, without comments."""
        lines = [line for line in self.text.splitlines() if line.startswith("$ ")]
        return [re.sub(r"\s{2,}#.*", "", line[2:]) for line in lines]


LANGUAGES = {"console", "sh", "yaml", "python", "text"}


def blocks(*languages: str) -> list[Block]:
    """All fenced blocks in these languages; indented ones, as in lists, without the indent."""
    found = []
    for page in PAGES:
        pattern = r"^( *)```(\w+)\n(.*?)^ *```$"
        for indent, language, text in re.findall(pattern, page.read_text(), re.M | re.S):
            assert language in LANGUAGES, f"{page}: {language}: tests know no such blocks"
            if language in languages:
                plain = re.sub(rf"^{indent}", "", text, flags=re.M)
                found.append(Block(str(page.relative_to(ROOT)), language, plain))
    return found
