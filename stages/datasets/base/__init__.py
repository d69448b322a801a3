"""The contract of data sets, and shared code to find, download, check and decode files.

For data sets, `preparation`, download and preprocess.
"""
