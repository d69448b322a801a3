"""Code that several network files share. Imported by them and by `networks`."""
