"""The contract of methods. For explain alone."""
