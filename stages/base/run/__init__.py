"""The process of a stage: snapshot of the code, checks, saved progress, errors, exit.

Imported by stage scripts, and by packages that save progress or need the process's rank.
"""
