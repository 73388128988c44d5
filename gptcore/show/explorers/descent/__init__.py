"""One parameter rolls down its loss: a gradient, a learning rate, and steps."""
