"""Results that stages pass to each other: one module per artifact, with its class and folder.

Higher packages may import it. The checkpoint is in `networks`, since loading it builds a network.
"""
