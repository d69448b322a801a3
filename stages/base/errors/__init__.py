"""Which errors a user can fix (bad input, full memory, Ctrl-C), and their messages.

The lowest package: any other may import it, and it imports nothing else of the project.
"""
