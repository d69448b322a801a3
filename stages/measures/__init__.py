"""Measures of explanations, a file each; what they share is in `base`. For quality alone.

No single one tells good from bad explanations (Klein et al. 2024, arXiv:2409.16756), and none says
anything without the same measure of a map that knows nothing of the network.
"""
