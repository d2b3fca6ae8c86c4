"""Benchmarks: scripts that are run by `python -m benchmarks.NAME`; see README.md."""
