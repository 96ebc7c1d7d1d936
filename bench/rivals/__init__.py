"""What we are measured beside, each used as its own manual says."""
