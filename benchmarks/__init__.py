"""The README's timings, run as `python -m benchmarks.<name>`. Nothing imports them."""
