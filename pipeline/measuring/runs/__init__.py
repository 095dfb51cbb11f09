"""What evaluate wrote, of all arms and seeds, and of two runs; a run and reviews that came later.

evaluated  items of arms and seeds, lined up
two_runs   the same arm in two runs
new_reviews  a tuned model on newly labelled reviews
"""
