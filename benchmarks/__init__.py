"""The timings in the documentation, run as `python -m benchmarks.<name>`; nothing imports them."""
