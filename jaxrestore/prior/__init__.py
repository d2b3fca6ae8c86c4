"""Deep Image Prior, restoring without any training; imports no training code."""
