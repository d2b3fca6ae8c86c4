"""Folders of damaged images with their originals, beside each other or in one file."""
