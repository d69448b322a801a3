"""The contract of methods. For explain and `measures`."""
