"""Plug-ins: a data set a file, named by `data.dataset`.

Loaded by name through `base`, so no module imports one; a plug-in imports none of the others.
"""
