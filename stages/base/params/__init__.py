"""How `params.yaml` is read and checked, and the field types that its sections share.

The sections themselves are in `stages/params`. Imported by them, by stages and by tools.
"""
