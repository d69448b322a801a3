"""What networks share: library.py, for those that a library builds. Imported by networks alone."""
