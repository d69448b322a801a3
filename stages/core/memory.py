"""Recognises out-of-memory errors of any library."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether NumPy, Python or PyTorch found no memory; PyTorch says so in words alone."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and any(words in str(error) for words in ("out of memory", "can't allocate memory"))
    )


def out_of_memory_message(error: BaseException) -> str:
    """The message for it, and what needs less."""
    return (
        f"not enough memory ({str(error).splitlines()[0] if str(error) else 'no more is said'}); "
        "use fewer or smaller images (preprocess.limit, preprocess.image_size), a smaller "
        "train.batch_size if train stopped, or less to explain if explain did "
        "(explain.n_background, explain.n_images, explain.outputs)"
    )
