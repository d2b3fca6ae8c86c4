"""A run's folder: its checkpoints and files."""
