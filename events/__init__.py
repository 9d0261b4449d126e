"""What can happen, and when it may: the words and rules of every service."""
