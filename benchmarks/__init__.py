"""What the cloud costs: `make bench` measures it over real HTTP, on this machine, and prints README's table."""
