"""Compute: servers and what they run on."""
