"""How a network is built, run, saved and loaded, and on which device.

Imported by all stages and rooms that use a network.
"""
