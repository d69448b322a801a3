"""Show the plots of the last run in a browser: `python -m tools.plots`.

Without a browser, prints where the page is.
"""

import webbrowser
from collections.abc import Sequence

from tools.command import run_command, run_program


def main(_: Sequence[str]) -> None:
    """Write DVC's page, print its address, and open it."""
    printed = run_program("plots", "dvc", "plots", "show", capture=True).strip()
    print(printed)
    if printed and not webbrowser.open(printed.splitlines()[-1]):
        print("No browser was found here: open this page in one.")


if __name__ == "__main__":
    run_command(main)
