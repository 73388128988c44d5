"""What the residual stream would predict after each layer."""
