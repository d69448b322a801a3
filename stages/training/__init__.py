"""How a network is fitted. For train alone."""
