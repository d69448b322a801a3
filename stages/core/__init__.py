"""What every stage stands on: parameters, errors, files, plug-ins, a stage's start and end.

Any room may import it; it imports none.
"""
