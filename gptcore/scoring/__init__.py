"""A model is judged.

likelihood  nats and bits per token of held-out text
ngrams      what counting gives on the same text
zeroshot    answers from a language model's own probabilities
metrics     accuracy, F1, correlations
"""
