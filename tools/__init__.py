"""Commands that users run on results: `python -m tools.<name>`. The pipeline imports none."""
