"""Plug-ins: a method a file, named by `explain.method` and `quality.methods`.

Loaded by name through `base`, so no module imports one.
"""
