"""Accuracy against the number of labels: runs on record, any two points side by side."""
