"""Pages in one file: nothing is fetched, and no script runs but the page's own."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

LOOK = Path(__file__).parent / "page/look.css"
"""Colours, letters, tables and controls that all pages share."""


def fill(
    template: Path, style: Path, parts: Mapping[str, str], modules: Sequence[Path] = ()
) -> str:
    """Put a page together.

    Args:
        template: HTML with `{{name}}` for each part, and for `rules` (its Content-Security-Policy),
            `style` and, if it has any, `modules`.
        style: The page's own rules, which come after `LOOK`.
        parts: Markup by name.
        modules: JavaScript modules; the last one starts the page, and they import each other
            as `./name.js`. In the page they are `data:` addresses in an import map: relative names
            mean nothing there, so that `./` is left out.
    """
    rules = LOOK.read_text(encoding="utf-8") + style.read_text(encoding="utf-8")
    scripts = _start(modules) if modules else {}
    # 'strict-dynamic' admits the script element that the allowed start makes, and what it imports.
    allowed = [*map(_digest, scripts.values()), "'strict-dynamic'"] if scripts else ["'none'"]
    whole = {
        "rules": (
            "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
            f"style-src {_digest(rules)}; script-src {' '.join(allowed)}"
            f"{'; worker-src blob:' if scripts else ''}"
        ),
        "style": rules,
        "modules": "\n".join(
            f'<script type="{kind}">{script}</script>' for kind, script in scripts.items()
        ),
        **parts,
    }
    text = template.read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: whole[match[1]], text)


def _start(modules: Sequence[Path]) -> dict[str, str]:
    """The two scripts that load the modules, by their type."""
    addresses = {module.name: _address(module.read_text(encoding="utf-8")) for module in modules}
    start = json.dumps({"type": "module", "src": addresses[modules[-1].name]})
    return {
        "importmap": json.dumps({"imports": addresses}),
        "module": (
            f'document.head.append(Object.assign(document.createElement("script"), {start}));'
        ),
    }


def _address(module: str) -> str:
    text = re.sub(r'(from|import) "\./', r'\1 "', module)
    return f"data:text/javascript;base64,{base64_text(text.encode('utf-8'))}"


def escape(text: str) -> str:
    """Text as markup that shows it, in ASCII."""
    return html.escape(text).encode("ascii", "xmlcharrefreplace").decode("ascii")


def base64_text(content: bytes) -> str:
    """Bytes as text that can stand in a page."""
    return base64.b64encode(content).decode("ascii")


def _digest(text: str) -> str:
    return f"'sha256-{base64_text(hashlib.sha256(text.encode('utf-8')).digest())}'"
