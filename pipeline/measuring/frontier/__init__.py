"""What can be had between the base and the tuned model?

results  frontier.json
score    the trade-offs, and the choice
show     retention against accuracy
"""
