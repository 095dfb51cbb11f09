"""What is measured, a room a question."""
