"""Plug-ins: one measure of predictions per file, found by name. Imported by evaluate.

A file defines `measure(probabilities, labels)`: a number from probabilities (n, k), float64, rows
sum to 1, and true classes (n,). Its name is the key in `metrics/evaluate.json`. Those for several
labels an image are in `multiple`. Shared code is in `base`, which report uses too.
"""
