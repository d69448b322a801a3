"""One model for each section of `params.yaml`; `whole` joins them, for check and tools alone.

A room may import the section of the one stage it serves.
"""
