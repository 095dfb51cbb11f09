"""A module of the `evaluate` library: see retention_score.py."""
