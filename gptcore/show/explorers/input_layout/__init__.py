"""The tokens of a labelled text, as GPT-1 reads it."""
