"""`/api/v1`: a file for each kind of thing that it knows."""
