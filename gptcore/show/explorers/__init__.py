"""Explorers: pictures to play with, a folder each, and in `shared` what they have in common.

A folder holds NAME.py with the state, NAME.js that draws it, NAME.css; CONTRIBUTING.md says how to
add one.
"""
