"""Reading and writing files, without knowledge of their content: atomic, reproducible, streamed.

Any package may import it. `stages/artifacts` defines the paths and formats of results.
"""
