"""Pictures and the explorer page. For report alone."""
