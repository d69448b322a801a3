"""Make `dvc plots show` work offline: `python -m tools.plots_page`.

DVC's page loads Vega from the internet. This command writes a page template that contains Vega,
taken from vl-convert, and selects it in this clone's `.dvc/config.local`. Of numbered pictures,
such as contact sheets, the page shows two and links the others.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import vl_convert

from stages.base.errors.user import UserError
from stages.base.files.atomic import new_file
from tools.command import run_command

TEMPLATE = Path(".dvc/plots_page.html")

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
    <meta charset="utf-8">
    {{refresh_tag}}
    <title>Plots</title>
    <style>
        body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem; }}
        table {{ border-spacing: 1rem; }}
        img {{ max-width: 46vw; height: auto; }}
        .others {{ border: 0 !important; text-align: left !important; }}
        .others a {{ margin-left: 1rem; }}
        div:only-of-type > img {{ max-width: 94vw; }}
    </style>
    <script>
{vega}
    </script>
</head>
<body>
    {{plot_divs}}
    <script>
{shorten}
    </script>
</body>
</html>
"""

# DVC makes an element of each file, with a picture of each revision.
_SHORTEN = """
const MOST = 2; // pictures shown of a numbered series, such as contact sheets
for (const file of document.querySelectorAll("div[id]")) {
  const pictures = [...file.querySelectorAll("img")];
  const [, number] = pictures[0]?.src.match(/_([0-9]{3})[.]png$/) ?? [];
  if (!(Number(number) >= MOST)) continue;
  const links = pictures.map((picture) => {
    const link = document.createElement("a");
    link.href = picture.src;
    link.textContent = picture.previousElementSibling.textContent;
    return link;
  });
  file.className = "others";
  file.replaceChildren(file.querySelector("p").textContent, ...links);
}
"""


def main(_: Sequence[str]) -> None:
    """Write the template and select it in DVC's configuration."""
    vega = vl_convert.javascript_bundle(
        "window.vegaEmbed = vegaEmbed;",
        vl_version="5.20",  # DVC's own templates are written in version 5 of Vega-Lite
    )
    with new_file(TEMPLATE) as file:
        page = _PAGE.format(vega=vega.replace("</script", "<\\/script"), shorten=_SHORTEN)
        file.write_text(page, encoding="utf-8")
    command = ["dvc", "config", "--local", "plots.html_template", TEMPLATE.name]
    try:
        subprocess.run(command, check=True)
    except FileNotFoundError:
        raise UserError("dvc: not found; activate the environment, or use make") from None
    except subprocess.CalledProcessError:
        raise UserError("plots_page: dvc config failed; see above") from None


if __name__ == "__main__":
    run_command(main)
