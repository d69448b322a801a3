"""Explains the chosen images shard by shard, with error bars. Only for explain."""
