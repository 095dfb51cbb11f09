"""What can be had between the base and the tuned model?

score  the trade-offs, and the choice
show   retention against accuracy
"""
