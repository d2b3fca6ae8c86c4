"""Images in: folders of images and of pairs, scikit-image's, and dead leaves."""
