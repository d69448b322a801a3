"""The precision `auto` of training."""

import subprocess
from pathlib import Path

import pytest
import torch

from stages.training.precision import with_chosen_precision
from tests.conftest import ROOT, environment

from .options import options

FLAGS = [{}, {"avx512_bf16": False}, {"amx_bf16": True}, {"avx512_bf16": True}, {"bf16": True}]


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
@pytest.mark.parametrize("flags", FLAGS, ids=str)
def test_what_the_processor_multiplies_is_chosen(
    precision: str,
    flags: dict[str, bool],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The flags stand in for other processors, since a machine has only one."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, **flags})
    is_fast = any(flags.values())
    given = options(precision=precision)
    found = with_chosen_precision(given, torch.device("cpu"))
    printed = capsys.readouterr().out
    if precision == "auto":
        assert found.precision == ("bfloat16" if is_fast else "float32")
        assert f"train: in {found.precision}, since this hardware" in printed
    else:
        assert found.precision == precision
        assert ("set train.precision: auto" in printed) == (precision == "bfloat16" and not is_fast)
        assert (printed == "") == (precision == "float32" or is_fast)
    assert found == given.model_copy(update={"precision": found.precision})


@pytest.mark.parametrize(
    ("slow", "chosen"), [pytest.param("", "bfloat16", marks=pytest.mark.slow), ("1", "float32")]
)
def test_ranks_choose_alike(slow: str, chosen: str, tmp_path: Path) -> None:
    """One slow processor decides for all; the other ranks would otherwise wait for it."""
    script = tmp_path / "choose.py"
    script.write_text(
        "from pathlib import Path\n"
        "import torch\n"
        "from stages.base.run.rank import rank\n"
        "from stages.ranks.gradients import connected_ranks\n"
        "from stages.training import precision\n"
        "from tests.training.options import options\n"
        "cpu = torch.device('cpu')\n"
        f"precision.multiplies_bfloat16 = lambda device: str(rank()) not in {slow!r}.split()\n"
        "with connected_ranks(cpu):\n"
        "    found = precision.with_chosen_precision(options(precision='auto'), cpu)\n"
        f"Path({str(tmp_path)!r}, str(rank())).write_text(found.precision)\n"
    )
    command = ["torchrun", "--nproc-per-node", "2", str(script)]
    process = subprocess.run(
        command,
        cwd=ROOT,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert [Path(tmp_path, number).read_text() for number in "01"] == [chosen, chosen]
    assert [line for line in process.stdout.splitlines() if line.startswith("train")] == [
        f"train: in {chosen}, since this hardware {'emulates' if slow else 'multiplies'} bfloat16"
    ]
