"""Compute: what is to be done next with servers and hosts."""
