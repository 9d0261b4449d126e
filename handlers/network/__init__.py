"""Networks: what to do next."""
