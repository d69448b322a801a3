"""From a network to a program of steps that all have rules.

Exports the network, replaces operations by simpler ones, folds constants, simplifies the graph
and checks that it still computes what the network does. May import rules and kernels; only the
engine imports it.
"""
