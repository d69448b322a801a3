"""Totals, headline numbers and tables of an explanation's attributions, for figures and report.

quality imports `additivity`. NumPy and pandas only, so that report does not depend on PyTorch.
"""
