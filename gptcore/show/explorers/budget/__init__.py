"""A game: so many FLOPs to spend on the runs of a record."""
