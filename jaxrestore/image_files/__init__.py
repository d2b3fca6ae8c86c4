"""Image files from the inside: formats, values, colours, and what is beside them."""
