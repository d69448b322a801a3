"""Finds shortcuts: proposes regions by attributions, tests them by pasting. Imported by shortcuts.

The steps, each in a module: `maps` explains the images, `scan` proposes candidates for a class,
`screening` drops most of them, `testing` experiments on fresh images, `search` does all this.
"""
