"""Grids of runs, and the tables and plots that come of them."""
