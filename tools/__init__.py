"""Commands beside the pipeline, run as `python -m tools.<name>`. Nothing imports them but tests."""
