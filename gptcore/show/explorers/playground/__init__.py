"""Any text, cut by several vocabularies."""
