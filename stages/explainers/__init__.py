"""Plug-ins: one method per file; `explain.method` and `quality.methods` name the files.

Loaded by name through `base`: no module imports a plug-in, and plug-ins do not import each other.
"""
