"""Labelled texts of a few letters, and small classifiers of them, which several test files use."""

from dataclasses import replace

import torch
from small_models import make

from gptcore.config import GPTConfig
from gptcore.heads.classifier import Classifier, HeadConfig
from gptcore.labelled import Labelled
from gptcore.model import GPT
from gptcore.text.inputs import encode, with_marks
from gptcore.tokenizer import Tokenizer
from gptcore.train.finetune import RecipeConfig, Tuning

# The 256 bytes in GPT-2's order, where "!" is 0, "a" is 64 and the space 220; the end of text; and
# then start 257, delimiter 258, extract 259.
LETTERS = Tokenizer.train("", 257)
TOKENIZER, MARKS = with_marks(LETTERS)
N_CTX = 24
FORMS = ("classification", "entailment", "similarity", "choice")
N_OUT = {"classification": 3, "entailment": 3, "similarity": 1, "choice": 3}
ROWS = {
    "classification": [
        {"text": "a fox", "label": 2},
        {"text": "no", "label": 0},
        {"text": "the little bear sat down and wept", "label": 1},
    ],
    "entailment": [
        {"text": "a fox ran", "text_b": "it ran", "label": 1},
        {"text": "no", "text_b": "it is a long way home", "label": 0},
        {"text": "the little bear", "text_b": "x", "label": 2},
    ],
    "similarity": [
        {"text": "a fox ran", "text_b": "it ran", "label": 2.5},
        {"text": "no", "text_b": "it is a long way home", "label": 0.0},
        {"text": "the little bear", "text_b": "x", "label": -1.25},
    ],
    "choice": [
        {"text": "a fox", "choices": ["ran", "sat still", "is"], "label": 1},
        {"text": "the little bear", "choices": ["x", "went a long way", "slept"], "label": 0},
    ],
}


def examples(form, rows=None, n_ctx=N_CTX, n_out=None):
    """The rows of a form as examples."""
    n_out = n_out or N_OUT[form]
    return encode(rows or ROWS[form], form, TOKENIZER, MARKS, n_ctx, n_out=n_out)


def classifier(form, norm="post", dtype=torch.float32, seed=0, **head):
    """A classifier in evaluation mode whose every parameter is random, the head's included.

    Its matrices are so large that the whole text decides what stands at the extract token.
    """
    body = make(norm, seed, vocab_size=260, n_ctx=N_CTX).to(dtype)
    model = Classifier(body, HeadConfig(form, N_OUT[form], **head)).eval()
    generator = torch.Generator().manual_seed(seed + 100)
    with torch.no_grad():
        for name, p in body.named_parameters():
            p.mul_(3 if p.dim() > 1 and name.startswith("h.") else 1)
        weight = model.score.weight
        weight.copy_(torch.randn(weight.shape, generator=generator))
    return model


def by_letter(n=24, name="letters", held_out="same"):
    """Texts whose first letter decides the class; held-out ones may be labelled the other way."""
    texts = ["ab"[i % 2] * (2 + i % 3) + chr(99 + i % 20) for i in range(n)]
    rows = [{"text": text, "label": i % 2} for i, text in enumerate(texts)]
    other = [{**row, "label": row["label"] ^ (held_out == "other way")} for row in rows[: n // 2]]
    return Labelled(name, "classification", ("a", "b"), tuple(rows), tuple(other), tuple(rows[:6]))


def letters_gpt(seed=0, **changes):
    """A GPT of the bytes and the end of text that can learn `by_letter` in twelve updates."""
    shape = {"n_ctx": N_CTX, "n_layer": 2, "n_head": 2, "d_model": 32, "norm": "post"}
    torch.manual_seed(seed)
    return GPT(GPTConfig(vocab_size=257, **{**shape, **changes})).eval()


RECIPE = RecipeConfig(epochs=4, batch_size=4, lr=2e-2, warmup=0.1, evals=4)
"""Of 12 rows: 12 updates, and the held-out part is scored after 3, 6, 9 and 12."""


def tuning(gpt=None, data=None, **recipe):
    """`by_letter(12)` for that network with this recipe, unless told otherwise."""
    return Tuning(gpt or letters_gpt(), LETTERS, data or by_letter(12), replace(RECIPE, **recipe))


def weights(model):
    """A copy of all weights."""
    return {name: p.detach().clone() for name, p in model.state_dict().items()}
