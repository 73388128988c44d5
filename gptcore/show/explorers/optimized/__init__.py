"""Runs against a learned reward: what it says, what is true, and how far they have gone."""
