"""One page for a reviewer: what a run promises, whether it holds, and what shows it."""
