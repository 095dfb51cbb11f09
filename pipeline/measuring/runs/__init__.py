"""What evaluate wrote, of all arms and seeds, and of two runs.

evaluated  items of arms and seeds, lined up
two_runs   the same arm in two runs
"""
