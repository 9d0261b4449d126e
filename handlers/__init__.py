"""What to do next: plans over what is known."""
