"""Plug-ins: one measure of explanations per file, found by name. Imported by quality.

A file defines `measure(measured)`, `DESCRIPTION` and `BETTER`, as in `base/contract.py`. Shared
code is in `base`.

No single measure separates good from bad explanations (Klein et al. 2024, arXiv:2409.16756), and
each needs baselines: the same measure of maps that ignore the network.
"""
