"""The headline figures once more, by independent code, as modules of the `evaluate` library.

three_class/      scores of three classes
retention_score/  the share of general English kept
"""
