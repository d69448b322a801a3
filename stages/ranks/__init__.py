"""Everything that only several processes or hosts need: torchrun, gradients, shared work.

Imported by train and explain and their rooms. Which rank a process is, is in `stages/base/run`.
"""
