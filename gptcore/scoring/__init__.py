"""A model is judged.

likelihood     nats and bits per token of held-out text
ngrams         what counting gives on the same text
continuations  how likely a text is after another, and four ways to compare options
tasks          a task as data; task_list has the named ones, task_files reads a user's own
asking         a task's questions put to a model, beside what needs no model
answers        answers that a model writes: exact match, F1, ROUGE
harness        our models under lm-evaluation-harness
zeroshot       GPT-1's heuristics: answers from a language model's own probabilities
metrics        accuracy, F1, correlations
"""
