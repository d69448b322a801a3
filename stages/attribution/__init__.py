"""How chosen images are explained, shard by shard, with error bars. For the explain stage."""
