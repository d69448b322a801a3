"""`params.yaml` with any content is read as DVC reads it, or rejected."""

import math
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import load_yaml
from hypothesis import example, given
from hypothesis import strategies as st

from stages.base.errors.user import UserError
from stages.base.files.yaml import PARAMS_FILE, read_yaml
from stages.base.params.reading import load_params
from stages.params.whole import AllParams
from tests.conftest import ROOT

from .cases import damaged, refusal_or

pytestmark = pytest.mark.fuzz

TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")
DEFAULTS = read_yaml(ROOT / "params.yaml")
# A parser allocates a few Python objects for each character, line and value.
MOST_BYTES = 400  # per character

LAUGHS = "a0: &a0 [ha, ha, ha]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MERGES = "a0: &a0 {ha: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
)
SCALARS = (
    st.sampled_from(
        [
            *(
                "",
                "~",
                "null",
                "''",
                "-1",
                "0",
                "1",
                "1e400",
                "-1e400",
                ".nan",
                ".inf",
                "-.inf",
                "0x1F",
            ),
            *(
                "0o17",
                "1_000",
                "true",
                "yes",
                "2001-01-01",
                "2001-99-99",
                "2001-01-01 99:99:99",
                "1:30",
            ),
            *(
                '"\\ud800"',
                '"\\0"',
                "é😀",
                "\u202e",
                "[]",
                "{}",
                "[[]]",
                "[1, x, ~]",
                "{1: 2}",
                "{a: }",
            ),
            *(
                "{? [a] : b}",
                "{? {a: b} : c}",
                "!!int x",
                "!!float y",
                "!!binary =",
                "!!set {a, b}",
            ),
            *(
                "!!python/object:os.system x",
                "!own x",
                "&a [*a]",
                "&a {a: *a}",
                "*unknown",
                "{<<: 1}",
            ),
            *(
                "!!timestamp x",
                "!!omap [a: 1]",
                "|\n    text",
                ">-\n    text",
                "{a: 1, a: 2}",
                "@",
                "%",
                "`",
            ),
            *(
                "a: b",
                "'",
                '"',
                "[",
                "{",
                "]",
                "#",
                "? x",
                "---",
                "...",
                "mnist",
                "[top]",
                "{top: 3}",
            ),
            "9" * 5000,
            "-" + "9" * 400,
            "x" * 5000,
            "[" * 2000 + "]" * 2000,
            "[" * 60 + "]" * 60,
            "{a: " * 60 + "1" + "}" * 60,
        ]
    )
    | st.text(max_size=12)
    | st.integers().map(str)
    | st.floats().map(str)
)

LINES = TEXT.splitlines()
SETTINGS = [
    number for number, line in enumerate(LINES) if line and not line.lstrip().startswith("#")
]


@st.composite
def texts(draw: st.DrawFn) -> str:
    """The file after edits of a few lines."""
    lines = list(LINES)
    for number in draw(st.lists(st.sampled_from(SETTINGS), min_size=1, max_size=3, unique=True)):
        key = lines[number].partition(":")[0]
        lines[number] = draw(
            st.one_of(
                SCALARS.map(lambda value, key=key: f"{key}: {value}"),
                SCALARS.map(lambda value, key=key: f"{key}: {value}"),
                SCALARS.map(lambda name, line=lines[number]: f"  {name}: {line.partition(':')[2]}"),
                st.just(""),
                st.just(f"{lines[number]}\n{lines[number]}"),
                st.just("\t" + lines[number]),
                st.just(" " + lines[number]),
                st.just(lines[number].lstrip()),
            )
        )
    return "\n".join(lines) + "\n"


ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
FILES = (
    texts().map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.tuples(texts(), ENCODINGS).map(lambda both: both[0].encode(both[1], "replace"))
    | damaged(TEXT.encode())
    | st.binary()
)


@given(FILES)
@example(LAUGHS.encode())
@example(TEXT.replace("seed: 0", f"seed: *a11\n{LAUGHS}", 1).encode())
@example(MERGES.encode())
def test_parameters_are_read_as_by_dvc_or_rejected(here: Path, content: bytes) -> None:
    (here / "data/embedded").mkdir(parents=True, exist_ok=True)
    PARAMS_FILE.write_bytes(content)
    params = refusal_or(lambda: load_params(AllParams), MOST_BYTES * len(content))
    if not isinstance(params, UserError):
        assert plain(params.model_dump()) == plain(load_yaml(PARAMS_FILE))
        assert_in_domain(params)


def plain(value: Any) -> Any:
    """The value with lists instead of tuples, and `image_size` as [height, width]."""
    if isinstance(value, dict):
        size = {k: [v, v] for k, v in value.items() if k == "image_size" and isinstance(v, int)}
        return {key: plain(item) for key, item in (value | size).items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def assert_in_domain(params: AllParams) -> None:
    """Assert the limits that the comments in the file state."""
    assert 0 <= params.seed < 2**32
    assert 0 <= params.explain.seed < 2**32
    assert 0 < params.preprocess.validation_fraction < 1
    assert 0 < params.preprocess.test_fraction < 1
    assert params.train.batch_size >= 1
    assert 0 <= params.train.momentum < 1
    for number in (params.train.learning_rate, params.explain.tolerance):
        assert 0 < number < math.inf
    assert 0 <= params.train.weight_decay < math.inf
    if isinstance(params.model.standardize, dict):
        assert all(map(math.isfinite, chain(*params.model.standardize.values())))
