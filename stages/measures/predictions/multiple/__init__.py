"""Plug-ins: one measure of predictions with several labels an image per file, found by name.

A file defines `measure(probabilities, labels)`: a number from probabilities (n, k), float64, and 0
and 1 for each label (n, k). Its name is the key in `metrics/evaluate.json`.
"""
