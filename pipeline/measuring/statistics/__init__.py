"""How sure is a figure, and what is apart from what? Knows no torch.

bootstrap       intervals and differences
folds           the same where texts of a fold share a model
comparison      arms against each other, and verdicts
ladder          a ladder of arms
classification  accuracy, macro-recall, macro-F1
sampling        the same sample every time
"""
