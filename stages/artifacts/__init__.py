"""What stages hand to each other: each module owns one artifact, its class and its path.

Any room above may import it. The checkpoint is in `networks`, since it builds a network.
"""
