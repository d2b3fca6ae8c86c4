"""Array functions with no opinion about training: jax only."""
