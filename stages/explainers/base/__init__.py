"""The contract of methods, slicing and the additivity check.

Imported by methods, explain and `measures`.
"""
