"""Compare the explanations of two versions: `python -m tools.compare REV [REV2]`."""
