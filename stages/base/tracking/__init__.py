"""What DVC and Git track: a stage's dependencies, plug-in files, files missing in experiments.

Imported where files are loaded by name: parameters, `networks`, `datasets` and `explainers`.
"""
