"""What do the layers know, and how far did they move?

ask     states of sentences by layer
probes  what they tell about structure
cka     how alike two models' are
show    tables and pictures
"""
