"""How well are the classes told apart?"""
