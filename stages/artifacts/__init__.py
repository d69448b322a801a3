"""Results that stages pass to each other: one artifact a module, with its class and its folder.

Any higher room may import it. The checkpoint is in `networks`, since loading it builds a network.
"""
