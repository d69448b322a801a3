"""How a network is initialised and trained. Imported by train."""
