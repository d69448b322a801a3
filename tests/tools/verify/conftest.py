"""A run to damage."""

import contextlib
from collections.abc import Iterator

import pytest

from tests.conftest import Project


@pytest.fixture
def there(project: Project) -> Iterator[Project]:
    """A copy of the run to damage; commands run in it, in this process."""
    with contextlib.chdir(project.root):
        yield project
