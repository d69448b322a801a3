"""Turns raw images into splits: checks, divides, converts. Imported by preprocess."""
