"""How a network starts and is fitted. For train alone."""
