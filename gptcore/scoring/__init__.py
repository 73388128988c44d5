"""A model is judged.

likelihood     nats and bits per token of held-out text
ngrams         what counting gives on the same text
continuations  how likely a text is after another, and four ways to compare options
zeroshot       GPT-1's heuristics: answers from a language model's own probabilities
metrics        accuracy, F1, correlations
"""
