"""Loss and gradients against depth: runs on record, side by side."""
