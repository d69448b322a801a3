"""Pictures of a run, one kind a file, and their captions. For report, `explorer` and `tools`."""
