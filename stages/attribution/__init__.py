"""Explains the chosen images shard by shard, with error bars. Imported by explain."""
