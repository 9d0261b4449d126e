"""Identity's plans: what is left of attempts and deletions that did not end."""
