"""Measures of a method rather than of one map: it explains again, other networks or other images.

tools import from here. No stage does, since these measures cost more than those of `explanations`.
"""
