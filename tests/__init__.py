"""Tests of the pipeline and of its commands."""

import os

AT_START = dict(os.environ)
"""The user's environment variables: libraries that tests import set some of their own."""
