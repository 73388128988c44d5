"""A model writes.

drawing   a text drawn token by token, or several samples of it
batches   many prompts at once, each as if it were alone
beam      a search for the likeliest text
filters   from logits to what is drawn from: temperature, top-k, top-p, repetition
rollouts  responses of a policy, and how likely each token of them was
best_of   ask n times, keep what a scorer likes best
pieces    ids become text piece by piece, up to where it ends
prompts   what is continued, checked
"""
