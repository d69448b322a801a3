"""Calls Git."""

import subprocess

from tools.command import run_program


def git(*arguments: str) -> str:
    """What a Git command prints.

    Raises:
        UserError: It failed.
    """
    return run_program("retrain", "git", *arguments, capture=True)


def git_or_nothing(*arguments: str) -> str:
    """What a Git command prints, without the line's end; empty if it failed."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return "" if done.returncode else done.stdout.strip()
