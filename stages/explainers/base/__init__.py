"""The contract of methods, slicing and the additivity check. For methods, explain, `measures`."""
