"""Arithmetic on predictions and losses: classification, retention, bootstrap. Knows no torch."""
