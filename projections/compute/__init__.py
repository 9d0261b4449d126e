"""Compute: what is known of servers beside their states."""
