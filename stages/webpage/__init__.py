"""HTML pages in one file that request nothing, and their shared look. For explorer and tools."""
