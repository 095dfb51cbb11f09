"""How sure a figure is, and what is apart from what. Knows no torch."""
