"""HTML pages in one file that work offline, and their look. Imported by explorer and tools."""
