"""Studies over many runs, many images or many raters: what a comparison needs."""
