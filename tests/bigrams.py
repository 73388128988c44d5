"""A GPT whose next token depends on the last one only, by a table written down here.

Embeddings are one-hot, the blocks add nothing, and `ln_f` is set so that it gives one-hot states
back; the output matrix then holds the logarithms of the table. So every probability of a text is a
product of numbers that can be read off.
"""

import math

import torch

from gptcore.config import GPTConfig
from gptcore.model import GPT
from gptcore.tokenizer import Tokenizer
from gptcore.tokenizer.vocabulary import END_OF_TEXT


def bigram(table, n_ctx=8):
    """A network with p(b | a) = table[a][b]; rows sum to 1 and hold no 0."""
    v = len(table)
    shape = GPTConfig(
        vocab_size=v, n_ctx=n_ctx, n_layer=1, n_head=1, d_model=v, norm="pre", tied=False
    )
    model = GPT(shape).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
        model.wte.weight.copy_(torch.eye(v))
        variance = 1 / v - 1 / v**2  # of a one-hot vector
        deviation = math.sqrt(variance + 1e-5)
        model.ln_f.weight.fill_(deviation)
        model.ln_f.bias.fill_(1 / v)
        model.lm_head.weight.copy_(torch.tensor(table).log().T)
    return model


def letters(text="abcd"):
    """A tokenizer that knows these letters, the space and end-of-text, one token each, in order."""
    vocab = {("Ġ" if c == " " else c): i for i, c in enumerate(text)}
    return Tokenizer(vocab, (), specials={END_OF_TEXT: len(vocab)})


LANGUAGE = [  # of a, b, the space, ab, end of text
    [0.5, 0.25, 0.125, 0.0625, 0.0625],
    [0.3, 0.25, 0.19, 0.16, 0.1],
    [0.25, 0.25, 0.125, 0.25, 0.125],
    [0.2, 0.2, 0.2, 0.2, 0.2],
    [0.4, 0.1, 0.1, 0.3, 0.1],
]
WORDS = Tokenizer({"a": 0, "b": 1, "Ġ": 2, "ab": 3}, [("a", "b")], specials={END_OF_TEXT: 4})
