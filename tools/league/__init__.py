"""`python -m tools.league`: all methods beside each other, with known answers."""
