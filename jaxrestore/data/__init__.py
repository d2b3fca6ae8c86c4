"""Images in: folders, the photographs inside scikit-image, and dead leaves."""
