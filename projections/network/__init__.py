"""Networks: what is known of them, and what it takes to make and change them."""
