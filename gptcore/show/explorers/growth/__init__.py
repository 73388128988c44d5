"""What a network writes as it learns: its loss, and its text at some moments."""
