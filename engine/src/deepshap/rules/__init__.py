"""The rules: how a multiplier passes backward through each operation. One file per family.

May import kernels, `deepshap.multiplier` and `deepshap.precision`, but not the graph: a rule knows
its own call only. The graph and the engine use it.
"""
