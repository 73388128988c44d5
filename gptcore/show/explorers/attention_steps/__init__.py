"""One attention head, one step at a time."""
