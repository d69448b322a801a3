"""Plug-ins: one network per file, named by `model.architecture`.

`networks` loads them by name; no module imports them, and they import none of each other.
"""
