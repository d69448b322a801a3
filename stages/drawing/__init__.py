"""A toolkit for pictures: boards with thumbnails and text, colour scales, sums over blocks.

It works on arrays and strings and imports no artifacts. Imported by `figures`, `measures`,
`explorer` and `tools`.
"""
