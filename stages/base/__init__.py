"""Support for running a stage: errors, files, tracking by DVC, parameters, the run itself.

Any package may import it; it imports no other one. Every stage depends on it, so an edit here
reruns them all: code that only one stage needs belongs in that stage's package.
"""
