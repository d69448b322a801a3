<<<<<<< HEAD
"""What networks share: library.py, for those that a library builds. Imported by networks alone."""
=======
"""What the networks of model libraries share. For architectures alone."""
>>>>>>> archs
