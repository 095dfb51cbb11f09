"""This project against what people would use instead, side by side: ``make bench``."""
