"""The explorer page: its content, packed into few bytes, and its scripts. Used by report."""
