"""How a network is built, run, saved and loaded, and on which device.

Imported by all stages and packages that use a network.
"""
