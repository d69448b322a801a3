"""`dvc pull` from a remote with a damaged file: a folder, and S3 on this machine.

DVC trusts what it fetches unless the remote has `verify = true`.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.conftest import Project, assert_refused
from tests.damage import flip
from tools.verify.records import open_repo, read_records

SLOW = pytest.mark.slow  # the same test with the other remote
RESULT = Path("plots/classes.csv")  # an output of the stage report
ENV = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "NO_PROXY": "127.0.0.1"}


class Remote(NamedTuple):
    """A remote, with functions that damage and remove its files without DVC."""

    options: dict[str, str]
    flip: Callable[[str], Any]
    remove: Callable[[str], Any]


@contextlib.contextmanager
def a_folder(tmp_path: Path) -> Iterator[Remote]:
    root = tmp_path / "shared"

    yield Remote(
        {"url": str(root)},
        lambda key: flip(root / key),
        lambda key: (root / key).unlink(missing_ok=True),
    )


@contextlib.contextmanager
def s3(_: Path) -> Iterator[Remote]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    keys = {name.lower(): ENV[name] for name in ENV if name.startswith("AWS")}
    client = boto3.client("s3", endpoint_url=address, region_name="us-east-1", **keys)
    bucket = f"results-{port}"  # servers of one process share their buckets
    client.create_bucket(Bucket=bucket)

    def flip_there(key: str) -> None:
        content = bytearray(client.get_object(Bucket=bucket, Key=key)["Body"].read())
        content[len(content) // 2] ^= 1
        client.put_object(Bucket=bucket, Key=key, Body=bytes(content))

    try:
        yield Remote(
            {"url": f"s3://{bucket}", "endpointurl": address, "region": "us-east-1"},
            flip_there,
            lambda key: client.delete_object(Bucket=bucket, Key=key),
        )
    finally:
        server.stop()


@pytest.fixture
def remote(
    request: pytest.FixtureRequest, project: Project, tmp_path: Path
) -> Iterator[tuple[Project, Remote, str]]:
    """A checkout whose report was pushed; a table, by its key, is damaged there and lost here."""
    with request.param(tmp_path) as opened, contextlib.chdir(project.root):
        project.succeed("dvc", "remote", "add", "--default", "shared", opened.options.pop("url"))
        for option, value in opened.options.items():
            project.succeed("dvc", "remote", "modify", "shared", option, value)
        assert project.run("dvc", "push", "report", **ENV).returncode == 0
        with open_repo() as repo:
            (digest,) = [record.digest for record in read_records(repo) if record.path == RESULT]
        key = f"files/md5/{digest[:2]}/{digest[2:]}"
        opened.flip(key)
        lose(key)
        yield project, opened, key


def lose(key: str) -> None:
    """Remove the result and its copy in the cache, as in another clone."""
    RESULT.unlink()
    Path(".dvc/cache", key).unlink()


@pytest.mark.parametrize("remote", [a_folder, pytest.param(s3, marks=SLOW)], indirect=True)
def test_a_pull_that_verifies_stops_at_a_damaged_file(
    remote: tuple[Project, Remote, str], ran_project: Project
) -> None:
    """It reports the result and fetches no damage; a run and a push repair both sides."""
    project, opened, key = remote
    expected = (ran_project.root / RESULT).read_bytes()
    project.succeed("dvc", "remote", "modify", "shared", "verify", "true")
    result = project.run("dvc", "pull", "report", **ENV)
    assert_refused(result, rf"failed to pull data .*\n{RESULT}\n")
    assert not RESULT.exists()
    printed = project.succeed("python", "-m", "tools.verify")
    assert f"missing, not checked: {RESULT}; dvc pull fetches them; where it fails, dvc" in printed
    assert project.repro("report")["report"] == "ran"
    assert RESULT.read_bytes() == expected
    opened.remove(key)  # otherwise DVC finds it there and sends nothing
    assert "1 file pushed" in project.run("dvc", "push", "report", **ENV).stdout
    lose(key)
    assert project.run("dvc", "pull", "report", **ENV).returncode == 0
    assert RESULT.read_bytes() == expected


@pytest.mark.parametrize("remote", [a_folder, pytest.param(s3, marks=SLOW)], indirect=True)
def test_damage_that_a_pull_did_not_notice_is_reported(remote: tuple[Project, Remote, str]) -> None:
    project, _, key = remote
    assert project.run("dvc", "pull", "report", **ENV).returncode == 0
    assert RESULT.exists()
    assert_refused(
        project.run("python", "-m", "tools.verify"),
        r"^error: verify: 2 faults\n"
        rf"\.dvc/cache/{key}: its content is not that of its name; .*\n"
        rf"{RESULT}: not what report recorded; remove it and \.dvc/cache/{key}, then dvc repro, or",
    )
    lose(key)  # what the message asks for; a second pull would fetch the damage again
    assert project.repro("report")["report"] == "ran"
    project.succeed("python", "-m", "tools.verify")
