"""Pages in one file: nothing is fetched, and no script runs but the page's own."""

import base64
import hashlib
import html
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

LOOK = Path(__file__).parent / "page/look.css"
"""Colours, letters, tables and controls that all pages share."""


def fill(
    template: Path, style: Path, parts: Mapping[str, str], scripts: Sequence[Path] = ()
) -> str:
    """Put a page together.

    Args:
        template: HTML with `{{name}}` for each part, and for `rules` (its Content-Security-Policy),
            `style` and, if it has any, `scripts`.
        style: The page's own rules, which come after `LOOK`.
        parts: Markup by name.
        scripts: Run in this order.
    """
    rules = LOOK.read_text(encoding="utf-8") + style.read_text(encoding="utf-8")
    programs = [
        re.sub(r"^(import [^;]*;\n|export )", "", script.read_text(encoding="utf-8"), flags=re.M)
        for script in scripts
    ]
    allowed = " ".join(map(_digest, programs)) or "'none'"
    whole = {
        "rules": (
            "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; worker-src blob:; "
            f"style-src {_digest(rules)}; script-src {allowed}"
        ),
        "style": rules,
        "scripts": "\n".join(f"<script>{program}</script>" for program in programs),
        **parts,
    }
    text = template.read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: whole[match[1]], text)


def escape(text: str) -> str:
    """Text as markup that shows it, in ASCII."""
    return html.escape(text).encode("ascii", "xmlcharrefreplace").decode("ascii")


def base64_text(content: bytes) -> str:
    """Bytes as text that can stand in a page."""
    return base64.b64encode(content).decode("ascii")


def _digest(text: str) -> str:
    return f"'sha256-{base64_text(hashlib.sha256(text.encode('utf-8')).digest())}'"
