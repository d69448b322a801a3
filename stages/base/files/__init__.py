"""Reading and writing files, without knowledge of their content: atomic, reproducible, streamed.

Anyone may import it. Paths and formats of results belong to their owners in `stages/artifacts`.
"""
