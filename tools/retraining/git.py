"""Calls Git."""

import subprocess

from stages.base.errors.user import UserError


def git(*arguments: str) -> str:
    """What a Git command prints.

    Raises:
        UserError: It failed.
    """
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"retrain: git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


def git_or_nothing(*arguments: str) -> str:
    """What a Git command prints, without the line's end; empty if it failed."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return "" if done.returncode else done.stdout.strip()
