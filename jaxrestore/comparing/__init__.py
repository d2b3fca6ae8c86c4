"""Finished runs beside each other: tests, tables, strips."""
