"""The contract of data sets, and what they share to find, check and decode files.

For data sets, and for `preparation`, download and preprocess, which use them.
"""
