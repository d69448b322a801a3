"""The contract of data sets, and shared code to find, download, check and decode files.

Imported by data sets, `preparation`, download and preprocess.
"""
