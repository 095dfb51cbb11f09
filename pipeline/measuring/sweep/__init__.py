"""How do the figures move with one setting that the arms differ in?

results  the part of report.json
score    the arms along the setting; how fast errors fall with labels
show     the picture, and what fewer labels foretold
"""
