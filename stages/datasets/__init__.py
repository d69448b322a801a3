"""Plug-ins: one data set a file; `data.dataset` selects the file by its name.

Loaded by name through `base`: no module imports a plug-in, and plug-ins do not import each other.
"""
