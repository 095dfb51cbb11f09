"""Everything that changes weights: the loop, what learns, and what holds it back."""
