"""The life of a stage's process: snapshot of the code, checks, saved progress, errors, exit.

Imported by stage scripts, and by rooms that save progress or need to know their rank.
"""
