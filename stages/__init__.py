"""The story: one module per stage, in the order of this list."""
