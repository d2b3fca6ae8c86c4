"""What the server remembers: of jobs, where they are and what they took."""
