"""How a network is initialised and trained. Imported by the train stage only."""
