"""Who may look at whom, and how far layers of it carry a token."""
