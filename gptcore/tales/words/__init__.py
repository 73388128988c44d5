"""Word tables of the tales, as plain text: who, what, where, what happens and how it is told."""
