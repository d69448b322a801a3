"""What people call the splits of a data set."""

from typing import Literal

SplitOfSource = Literal["train", "validation", "test"]

SPLIT_OF: dict[str, SplitOfSource] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
