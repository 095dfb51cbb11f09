"""The headline figures once more, by independent code, as modules of the `evaluate` library."""
