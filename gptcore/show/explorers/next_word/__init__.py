"""What tables of counts and a GPT expect after a text, side by side."""
