"""What a training takes: time, memory and money, by size, text and devices."""
