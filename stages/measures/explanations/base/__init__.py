"""Shared by the measures of explanations: maps, baselines, masked images, and the tile game."""
