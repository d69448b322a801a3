"""Code needed only for several processes or hosts: torchrun, gradients, shared work.

Imported by train, explain and their packages. `stages/base/run` has the rank of a process.
"""
