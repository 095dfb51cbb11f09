"""Tables and pictures as plain data and SVG; know nothing of what they show."""
