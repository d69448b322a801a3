"""Shared by the measures of predictions: scores by class, confidence bins, and tables."""
