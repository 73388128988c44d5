"""A model writes.

drawing  a text drawn token by token: temperature, top-k, top-p
"""
