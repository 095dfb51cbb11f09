"""What do the layers know, and how far did they move?"""
