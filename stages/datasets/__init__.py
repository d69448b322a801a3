"""Plug-ins: one data set per file; `data.dataset` names the file.

Loaded by name through `base`: no module imports a plug-in, and plug-ins do not import each other.
"""
