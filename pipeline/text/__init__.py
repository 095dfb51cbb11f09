"""One text at a time: cleaned, its emoji, its words."""
