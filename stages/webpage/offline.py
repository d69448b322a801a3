"""Pages in one file: a page requests nothing and runs no scripts except its own."""

import base64
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray
from PIL import Image

SHARED = Path(__file__).parent / "page"
LOOK = SHARED / "look.css"
"""Colours, fonts, tables and controls that all pages share."""


def fill(
    template: Path, style: Path, values: Mapping[str, Any], modules: Sequence[Path] = ()
) -> str:
    """Render a page.

    Args:
        template: A Jinja template that extends `base.html`; values are escaped.
        style: The page's own CSS rules, which follow `LOOK`.
        values: The template's variables.
        modules: JavaScript modules that import each other as `./name.js`; the last one starts the
            page.
    """
    environment = Environment(
        loader=FileSystemLoader([template.parent, SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    rules = LOOK.read_text(encoding="utf-8") + style.read_text(encoding="utf-8")
    scripts = _scripts(modules) if modules else {}
    return environment.get_template(template.name).render(
        policy=_policy(rules, scripts), style=rules, scripts=scripts, **values
    )


def _policy(rules: str, scripts: Mapping[str, str]) -> str:
    """The Content-Security-Policy that allows these CSS rules and scripts only."""
    # 'strict-dynamic' extends the permission to the script element that an allowed script adds.
    allowed = [*map(_digest, scripts.values()), "'strict-dynamic'"] if scripts else ["'none'"]
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src {_digest(rules)}; script-src {' '.join(allowed)}"
        f"{'; worker-src blob:' if scripts else ''}"
    )


def _scripts(modules: Sequence[Path]) -> dict[str, str]:
    """The two scripts that load the modules, by type."""
    start = json.dumps({"type": "module", "src": _address(modules[-1])})
    return {
        "importmap": import_map(modules),
        "module": (
            f'document.head.append(Object.assign(document.createElement("script"), {start}));'
        ),
    }


def import_map(modules: Sequence[Path]) -> str:
    """An import map from the modules' file names to `data:` addresses, as JSON."""
    return json.dumps({"imports": {module.name: _address(module) for module in modules}})


def _address(module: Path) -> str:
    """The module as a `data:` address; relative imports do not work there, so `./` is removed."""
    text = re.sub(r'(from|import) "\./', r'\1 "', module.read_text(encoding="utf-8"))
    return f"data:text/javascript;base64,{base64_text(text.encode('utf-8'))}"


def base64_text(content: bytes) -> str:
    """The bytes in Base64."""
    return base64.b64encode(content).decode("ascii")


def image_address(picture: Image.Image, kind: str = "PNG", **options: Any) -> str:
    """A `data:` address of a picture, as a file of this kind, saved with these options."""
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64_text(file.getvalue())}"


def base64_array(array: NDArray[Any]) -> str:
    """The array's values in Base64, little-endian, as JavaScript's typed arrays read them."""
    return base64_text(array.astype(array.dtype.newbyteorder("<")).tobytes())


def _digest(text: str) -> str:
    return f"'sha256-{base64_text(hashlib.sha256(text.encode('utf-8')).digest())}'"
