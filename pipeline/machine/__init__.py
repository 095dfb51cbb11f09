"""How stages are described, planned, run, reused and resumed; knows no craft and no torch.

cli          the verbs of the command line
console      what people see in the terminal
runner       makes what a plan lacks
plan         where things stand, and what would run
recipe       a recipe with its arms, checked
fingerprint  the identity of a piece of work
store        artifacts, complete or absent
lock         a piece of work is done by one run at a time
workers/     who does the work, side by side: the engines
stage        what a stage is
space        which settings of a recipe may be searched
"""
