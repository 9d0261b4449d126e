"""Hands on the hardware: agents see, obey and report."""
