"""One recipe an experiment; `gan_full` holds every key, the others change theirs."""
