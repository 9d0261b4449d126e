"""Networks: what can happen to them, and when it may."""
