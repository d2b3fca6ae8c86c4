"""Asking people: pages, their server, answers and scores."""
