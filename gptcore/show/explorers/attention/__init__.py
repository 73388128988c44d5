"""Every attention weight of a model on some texts."""
