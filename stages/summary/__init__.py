"""Numbers and tables drawn from an explanation, and what is worth showing of it.

For `figures` and report.
"""
