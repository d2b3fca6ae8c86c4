"""Collections of millions of pictures, restored on the machines of a Ray cluster."""
