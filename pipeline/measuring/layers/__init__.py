"""What do the layers know, and how far did they move?

ask     states of sentences by layer
probes  what they tell about structure
cka     how alike two models' are
show    tables and pictures

Asked by general/run.py, declared in general/results.py: it is the same models that are loaded.
"""
