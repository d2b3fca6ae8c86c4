"""The process that owns the device: its supervisor, and what it does itself."""
