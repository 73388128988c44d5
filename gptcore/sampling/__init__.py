"""A model writes.

drawing  a text drawn token by token: temperature, top-k, top-p
pieces   ids become text piece by piece, up to where it ends
"""
