"""Whether results are what was recorded, and right by themselves."""
