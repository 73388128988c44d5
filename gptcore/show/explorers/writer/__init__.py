"""A model writes with the reader: each next token chosen, each head's reading shown."""
