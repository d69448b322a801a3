"""Plug-ins: a network a file, named by `model.architecture`.

Loaded by name through `networks`, so no module of the pipeline imports one.
"""
