"""Words and small tools that every room uses; knows none of them.

errors      what the user can cause, in one line
labels      the three classes, and the two floors
files       writing whole files, digests, JSON lines
yaml        plain YAML, and the front matter of cards
validation  problems of settings and cards in words, the nearest name beside them
cache       answers remembered by what was asked
"""
