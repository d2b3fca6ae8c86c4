"""What moves one network: its state, a guarded update, optimisers."""
