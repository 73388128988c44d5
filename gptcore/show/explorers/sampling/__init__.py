"""What temperature, top-k and top-p keep of a recorded distribution, and what is drawn."""
