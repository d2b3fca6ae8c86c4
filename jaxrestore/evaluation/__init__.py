"""Scores and the report: what a run did, beside what its input already was."""
