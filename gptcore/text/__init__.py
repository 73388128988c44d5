"""Ids to batches: what a network reads.

files    a user's own text files as documents
reading  the texts of a run: own files and named sets
decoding their bytes as characters
streams  token ids of a corpus, one after the other, and batches of windows
inputs   GPT-1's inputs: a labelled example as one or more rows of ids
"""
