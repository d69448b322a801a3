"""The network before its first step, with weights from a file. Imported by preflight and train."""
