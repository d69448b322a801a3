"""Measures of a method, which explain again: networks with new weights, or changed images.

Imported by tools alone: they cost more than the measures of one map, in `explanations`.
"""
