"""Two hosts, each a network namespace with one end of a virtual cable, join through torchrun."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import pytest

from tests.conftest import ROOT, Project, environment

PORT = 29500


@dataclass(frozen=True)
class Host:
    """A network namespace.

    Attributes:
        name: Name of the network namespace.
        cable: Name of the only network device except lo.
        address: IP address of that device.
    """

    name: str
    cable: str
    address: str

    def start(self, project: Project, *command: str, **env: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["ip", "netns", "exec", self.name, *command],
            cwd=project.root,
            env=environment(GLOO_SOCKET_IFNAME=self.cable, OMP_NUM_THREADS="1", **env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that Ctrl-C can be sent to all its processes
        )


def ip(*arguments: str) -> None:
    result = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if result.returncode != 0:
        raise OSError(f"ip {' '.join(arguments)}: {result.stderr.strip()}")


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    if shutil.which("ip") is None:
        pytest.skip("no hosts: no ip (package iproute2)")
    number = os.getpid() % 10_000
    pair = tuple(
        Host(f"host{side}-{number}", f"cable{side}-{number}", f"10.77.0.{side}") for side in (1, 2)
    )
    first, second = pair
    try:
        for host in pair:
            ip("netns", "add", host.name)
        ip("link", "add", first.cable, "type", "veth", "peer", "name", second.cable)
        for host in pair:
            ip("link", "set", host.cable, "netns", host.name)
            ip("-n", host.name, "addr", "add", f"{host.address}/24", "dev", host.cable)
            for device in (host.cable, "lo"):
                ip("-n", host.name, "link", "set", device, "up")
    except OSError as error:
        pytest.skip(f"no hosts: namespaces are not allowed here: {error}")
    else:
        yield first, second
    finally:
        for host in pair:
            subprocess.run(["ip", "netns", "delete", host.name], capture_output=True)


def launch_options(host: Host, first: Host) -> str:
    """LAUNCH on a host; addresses are needed since both hosts have the name of this machine."""
    meeting = f"--nnodes 2 --nproc-per-node 1 --rdzv-endpoint {first.address}:{PORT}"
    is_host = int(host is first)
    return f"{meeting} --rdzv-conf is_host={is_host} --local-addr {host.address}"


def run_on_both(project: Project, hosts: tuple[Host, Host], stage: str) -> tuple[str, str]:
    """Run `dvc repro` on the first host and join from the second; return what they print."""
    first, second = hosts
    repro = ["dvc", "repro", "--single-item", "--force", stage]
    leading = first.start(project, *repro, LAUNCH=launch_options(first, first))
    joining = second.start(
        project, "python", "-m", f"stages.{stage}", LAUNCH=launch_options(second, first)
    )
    printed, error = leading.communicate(timeout=300)
    printed_there, error_there = joining.communicate(timeout=60)
    assert leading.returncode == 0, printed + error
    assert joining.returncode == 0, printed_there + error_there
    assert "other hosts join in this folder: LAUNCH=" in printed
    return printed, printed_there


@pytest.mark.slow
def test_two_hosts_train_like_one(project: Project, hosts: tuple[Host, Host]) -> None:
    # A network without dropout, since each rank would draw its own.
    project.set({"model.architecture": "single_conv", "train.augment": ["shift", "rotate"]})
    project.succeed("dvc", "repro", "train")
    curves = project.root / "plots/training.csv"
    one = pd.read_csv(curves)
    printed, printed_there = run_on_both(project, hosts, "train")
    assert ("epoch 2:" in printed, "epoch 2:" in printed_there) == (True, True)
    # float32 rounding over 30 steps; the table has six digits.
    pd.testing.assert_frame_equal(one, pd.read_csv(curves), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_two_hosts_explain_like_one(project: Project, hosts: tuple[Host, Host]) -> None:
    source = project.root / "stages/ranks/shards.py"
    source.write_text(source.read_text().replace("SHARD_SIZE = 1024", "SHARD_SIZE = 8"))
    project.set({"explain.n_images": 40})
    project.succeed("dvc", "repro", "explain")
    lock = (project.root / "dvc.lock").read_bytes()
    run_on_both(project, hosts, "explain")
    assert (project.root / "dvc.lock").read_bytes() == lock


@pytest.mark.slow
@pytest.mark.parametrize("forced", [["explain"], ["train", "explain"]])
def test_the_documented_loop_joins_the_stages_that_run(
    project: Project, hosts: tuple[Host, Host], forced: list[str]
) -> None:
    """The loop waits for both stages until Ctrl-C, even if the first host skips one of them."""
    page = (ROOT / "docs/how-to/several-processors-and-hosts.md").read_text()
    (loop,) = re.findall(r"^\(trap .* explain; .*\)$", page, re.MULTILINE)
    project.set({"explain.n_images": 40})
    project.succeed("dvc", "repro", "explain")
    first, second = hosts
    joining = second.start(project, "bash", "-c", loop, LAUNCH=launch_options(second, first))
    repro = ["dvc", "repro", "--single-item", "--force", *forced]
    leading = first.start(project, *repro, LAUNCH=launch_options(first, first))
    try:
        printed, error = leading.communicate(timeout=300)
        assert leading.returncode == 0, printed + error
        assert printed.count("other hosts join in this folder") == len(forced)
        os.killpg(joining.pid, signal.SIGINT)
        printed_there, _ = joining.communicate(
            timeout=60
        )  # waits until all its processes have ended
        assert ("epoch 2:" in printed_there) == ("train" in forced)
    finally:
        for process in (leading, joining):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
