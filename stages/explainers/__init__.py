"""Plug-ins: a method a file, named by `explain.method`.

Loaded by name through `base`, so no module imports one.
"""
