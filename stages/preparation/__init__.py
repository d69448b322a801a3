"""Turns raw images into splits: checks, divides, converts. Only for preprocess."""
