"""From a trained network and a file to a restored file; imports no training code."""
