"""Checks results against their recorded digests and against each other."""
