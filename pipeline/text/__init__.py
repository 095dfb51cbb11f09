"""One text at a time: cleaned, its emoji, its words.

cleaning      damage undone, spellings brought into one form
emoji         finding emoji, and their names
kaomoji       faces made of letters, and their emoji
languages     the language of a text, as far as script and common words tell
words         words, and what a text shows that models trip over
sentences     sentences, each with a twin of changed order
augmentation  emoji given to texts that have none
noise         words written as in a hurry
"""
