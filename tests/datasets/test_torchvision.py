"""Data sets that torchvision downloads and reads: its own code, with a local server."""

import tempfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from stages.artifacts.explanation import Explanation
from stages.base.errors.user import UserError
from stages.datasets import emnist
from stages.datasets.base.contract import Origin
from tests.conftest import run_stages

from .published import CASES, publish


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the URL that serves it."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", CASES)
def test_downloaded_and_read_by_torchvision(
    name: str, monkeypatch: pytest.MonkeyPatch, served: tuple[Path, str], raw: Path, tmp_path: Path
) -> None:
    module, options, splits, files = publish(name, monkeypatch)
    folder, url = served
    for file, content in files.items():
        (folder / file).write_bytes(content)
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")  # temporary files belong in `raw`
    module.fetch(Origin(tmp_path / "nothing", [f"{url}gone/", url]), raw, **options)
    stored = {path.name: path.read_bytes() for path in raw.iterdir()}
    assert len(stored) == 5
    images = module.read(raw)
    assert images.class_names == CASES[name][4]
    for split in ("train", "test"):
        pixels, labels = splits[split]
        read = getattr(images, split)
        expected = pixels if pixels.ndim == 4 else pixels[:, None]
        # USPS is published as text with decimal fractions, which torchvision rounds down.
        assert np.abs(read.images.astype(int) - expected).max() <= (1 if name == "usps" else 0)
        assert (read.images.dtype, read.labels.dtype) == (np.uint8, np.int64)
        assert np.array_equal(read.labels, labels)


# Letters, small images and colour; to later stages the others look like these or like MNIST.
FORMS = ("emnist letters", "usps", "cifar10")


@pytest.mark.unhurried
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in FORMS else pytest.mark.slow) for n in CASES]
)
def test_every_stage_runs_on_it(
    name: str, monkeypatch: pytest.MonkeyPatch, served: tuple[Path, str], here: Path
) -> None:
    _, options, splits, files = publish(name, monkeypatch)
    folder, url = served
    for file, content in files.items():
        (folder / file).write_bytes(content)
    (here / "empty").mkdir()
    dataset = {"dataset": name.split()[0], "source": "empty", "mirrors": [url], "options": options}
    run_stages(
        {
            "data": dataset,
            "preprocess": {"validation_fraction": 0.5},
            "train": {"epochs": 1, "batch_size": 16},
            "explain": {"n_background": 4, "images": "first", "n_images": 2},
        }
    )
    explanation = Explanation.load(here / "data/shap")
    channels, height, width = (1, *CASES[name][2])[-3:]
    assert explanation.values.shape == (2, channels, height, width, len(CASES[name][4]))
    assert explanation.labels.tolist() == splits["test"][1][:2].tolist()
    assert (here / "plots/explorer.html").is_file()


@pytest.mark.parametrize("name", CASES)
def test_found_in_the_source_folder(
    name: str, monkeypatch: pytest.MonkeyPatch, raw: Path, tmp_path: Path
) -> None:
    module, options, splits, files = publish(name, monkeypatch)
    source = tmp_path / "source" / name.split()[0]
    source.mkdir(parents=True)
    for file, content in files.items():
        (source / file).write_bytes(content)
    module.fetch(Origin(tmp_path / "source"), raw, **options)
    assert np.array_equal(module.read(raw).test.labels, splits["test"][1])


@pytest.mark.parametrize("name", CASES)
def test_a_different_file_in_the_source_folder_is_rejected(
    name: str, monkeypatch: pytest.MonkeyPatch, raw: Path, tmp_path: Path
) -> None:
    module, options, _, files = publish(name, monkeypatch)
    source = tmp_path / "source" / name.split()[0]
    source.mkdir(parents=True)
    for file, content in files.items():
        (source / file).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserError, match=r": is not the file that was published, or is damaged: "):
        module.fetch(Origin(tmp_path / "source"), raw, **options)
    assert list(raw.iterdir()) == []


@pytest.mark.parametrize("name", CASES)
def test_a_file_that_is_not_found_is_reported(
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    served: tuple[Path, str],
    raw: Path,
    tmp_path: Path,
) -> None:
    module, options, _, files = publish(name, monkeypatch)
    file = next(iter(files))
    (served[0] / file).write_bytes(b"another content")
    with pytest.raises(UserError) as caught:
        module.fetch(Origin(tmp_path / "source", [served[1]]), raw, **options)
    assert list(raw.iterdir()) == []
    first, *tried, last = str(caught.value).splitlines()
    dataset = name.split()[0]
    assert first == f"data.dataset {dataset}: {file} was not found:"
    assert tried == [
        f"  {tmp_path}/source/{dataset}/{file}: no such file",
        f"  {served[1]}{file}: File not found or corrupted.",
        f"  http://127.0.0.1:9/{file}: Connection refused",
    ]
    assert last.startswith("To fix this, connect to the network")
    assert last.endswith(f", or put the file into {tmp_path}/source/{dataset}/.")


def test_emnist_accepts_all_published_splits() -> None:
    from torchvision.datasets import EMNIST

    from stages.base.params.plugins import option_errors

    assert all(option_errors(emnist.fetch, {"split": split}) == [] for split in EMNIST.splits)
    (error,) = option_errors(emnist.fetch, {"split": "numbers"})
    assert "must be 'byclass', 'bymerge', 'balanced', 'letters', 'digits' or 'mnist'" in error
