"""Writes Parquet files as Hugging Face's `datasets` does."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def png(pixels: NDArray[np.uint8]) -> bytes:
    """An image file of (h, w) or (h, w, 3) pixels."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def metadata(names: Sequence[str], label: str = "label") -> dict[str, str]:
    """What `datasets.Features.arrow_schema` adds to a schema."""
    classes = {"names": list(names), "_type": "ClassLabel"}
    features = {"image": {"_type": "Image"}, label: classes}
    return {"huggingface": json.dumps({"info": {"features": features}})}


def write(
    path: Path,
    images: Sequence[Any],
    labels: Any,
    names: Sequence[str] | None = None,
    rows_per_group: int = 100,
) -> None:
    """Write a file with the columns image and label.

    Args:
        path: The file; its folder is made.
        images: Bytes of image files, or None.
        labels: Labels, or an Arrow array of them.
        names: Names of the classes, in the metadata; None for no metadata.
        rows_per_group: Rows of a row group.
    """
    cells = [{"bytes": image, "path": f"{i}.png"} for i, image in enumerate(images)]
    table = pa.table({"image": pa.array(cells, IMAGE), "label": labels})
    path.parent.mkdir(parents=True, exist_ok=True)
    if names is not None:
        table = table.replace_schema_metadata(metadata(names))
    pq.write_table(table, path, row_group_size=rows_per_group)
