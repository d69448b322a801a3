"""Recognises out-of-memory errors of any library, and says what needs less."""

_SMALLER_DATA = "fewer or smaller images (preprocess.limit, preprocess.image_size)"
_NEEDS_LESS = {  # by stage
    "train": f"a smaller train.batch_size, or {_SMALLER_DATA}",
    "explain": "fewer images or background images (explain.n_images, explain.n_background), or "
    "fewer outputs of each (explain.outputs)",
}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether NumPy, Python or PyTorch found no memory; PyTorch says so in words alone."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and any(words in str(error) for words in ("out of memory", "can't allocate memory"))
    )


def out_of_memory_message(error: BaseException, stage: str) -> str:
    """The message for it, and what makes the stage need less."""
    reason = str(error).splitlines()[0] if str(error) else "no more is said"
    return f"not enough memory ({reason}); use {_NEEDS_LESS.get(stage, _SMALLER_DATA)}"
