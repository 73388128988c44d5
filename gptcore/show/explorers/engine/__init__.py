"""A shipped model in the reader's browser: the same weights, the same numbers, no kernel."""
