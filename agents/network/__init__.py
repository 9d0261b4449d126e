"""How a host obeys networking: bridges, addresses, filters, metadata."""
