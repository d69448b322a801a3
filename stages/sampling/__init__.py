"""Chooses images and classes: stratified samples, the background, the images to explain.

For `preparation`, `explainers`, `attribution`, `measures` and `tools`.
"""
