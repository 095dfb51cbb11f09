"""How sure is a figure, and what is apart from what? Knows no torch.

bootstrap       intervals and differences
variance        what folds and seeds add to it
comparison      arms against each other, and verdicts
ladder          a ladder of arms
selection       the best of many
classification  accuracy, macro-recall, macro-F1
sampling        the same sample every time
"""
