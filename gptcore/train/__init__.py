"""Training: the loop that all stages share, and one file per stage."""
