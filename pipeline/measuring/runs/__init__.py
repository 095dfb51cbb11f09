"""What evaluate wrote, of all arms and seeds, and of two runs."""
