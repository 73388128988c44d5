"""A training curve that grows while the model trains."""
