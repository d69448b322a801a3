"""Chooses images and classes: stratified samples, the background, the images to explain.

Imported by `preparation`, `explainers`, `attribution`, `measures` and `tools`.
"""
