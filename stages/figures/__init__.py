"""Pictures of a run and their captions. Imported by report, `explorer` and `tools`."""
