"""A module of the `evaluate` library: see three_class.py."""
