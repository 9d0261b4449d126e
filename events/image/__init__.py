"""Images: what servers and volumes begin from, and who may use them."""
