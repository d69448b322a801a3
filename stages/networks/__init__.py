"""How a network is built, run, saved and loaded, and on which device.

For `training`, train, evaluate, explain and quality.
"""
