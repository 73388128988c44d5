"""What is put on top of a network.

classifier  GPT-1's head: a linear layer that reads where the text ends
value       what score a response will get, expected before each of its tokens
"""
