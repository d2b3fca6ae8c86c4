"""From a recipe to a trained network: state, steps and the only loop."""
