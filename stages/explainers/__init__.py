"""Plug-ins: one method a file; `explain.method` and `quality.methods` select files by name.

Loaded by name through `base`: no module imports a plug-in, and plug-ins do not import each other.
"""
