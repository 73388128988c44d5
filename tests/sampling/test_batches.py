"""Nobody's text depends on who stands beside it: a batch against plain loops, one prompt at a time.

The loops here have no cache, no padding and no batch: the whole text is read anew for every token.
"""

import random
from dataclasses import replace

import pytest
import torch
from small_models import attentive

from gptcore.attention import PATTERNS
from gptcore.config import PRESETS
from gptcore.decode import is_plain
from gptcore.sampling.batches import row_ids, stream_many
from gptcore.sampling.drawing import filter_logits, generate
from gptcore.tokenizer import Tokenizer

SMALL = {"vocab_size": 96, "n_ctx": 24, "n_layer": 2, "n_head": 2, "d_model": 16}
SPARSE = {"window": 5, "summary": 2, "dropout": 0.1}
CASES = [
    (norm, pattern)
    for norm in ("post", "pre")
    for pattern in [(name,) for name in PATTERNS] + [("dense", "banded"), ("banded", "strided")]
]
LENGTHS = (5, 1, 16, 23, 5)


def prompts(lengths=LENGTHS, vocab_size=96):
    draw = random.Random(7)
    return [[draw.randrange(vocab_size) for _ in range(n)] for n in lengths]


@torch.no_grad()
def alone(model, ids, n, seed=None, slide=False, **how):
    """New ids, the slow way; a row that slides starts again from the last half of the context."""
    n_ctx, window, found = model.config.n_ctx, list(ids), []
    if len(window) >= n_ctx:
        window = window[-(n_ctx // 2) :]
    generator = torch.Generator().manual_seed(seed or 0)
    while len(found) < n and (slide or len(window) < n_ctx):
        logits = model(torch.tensor([window]))[:, -1].float()
        if seed is None:
            token = int(logits.argmax())
        else:
            p = filter_logits(logits, **how).softmax(-1)
            token = int(torch.multinomial(p, 1, generator=generator))
        found.append(token)
        window.append(token)
        if len(window) > n_ctx:
            window = window[-(n_ctx // 2) :]
    return found


def together(model, texts, n, seeds=None, **settings):
    found = [[] for _ in texts]
    seeds = seeds or [None] * len(texts)
    for row, token in row_ids(model, texts, seeds=seeds, max_new_tokens=n, **settings):
        found[row].append(token)
    return found


@pytest.mark.parametrize(("norm", "pattern"), CASES, ids=str)
def test_greedy_rows_are_what_each_writes_alone(norm, pattern):
    model = attentive(norm, pattern=pattern, **SMALL, **SPARSE)
    found = together(model, prompts(), 50, temperature=0)
    assert found == [alone(model, ids, 50) for ids in prompts()]
    assert [len(row) for row in found] == [24 - n for n in LENGTHS]  # each to its own end


@pytest.mark.parametrize(
    ("norm", "pattern", "slide"),
    [(*case, i % 3 > 0) for i, case in enumerate(CASES)],
    ids=str,
)
def test_rows_with_a_seed_are_what_each_draws_alone(norm, pattern, slide):
    model = attentive(norm, pattern=pattern, **SMALL, **SPARSE)
    texts = prompts((*LENGTHS[2:], 40) if slide else LENGTHS)
    how = {"temperature": 0.8, "top_k": 40, "top_p": 0.95}
    seeds = [5 + i for i in range(len(texts))]
    found = together(model, texts, 30, seeds, slide=slide, **how)
    expected = [alone(model, t, 30, s, slide, **how) for t, s in zip(texts, seeds, strict=True)]
    assert found == expected
    assert not slide or {len(row) for row in found} == {30}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_s_shape(name):
    """Shrunk, with its own norm, pattern and tying."""
    shape = replace(PRESETS[name], n_layer=min(4, PRESETS[name].n_layer), dropout=0.0)
    small = {"vocab_size": 96, "n_ctx": 24, "n_head": 2, "d_model": 16, "window": 5}
    model = attentive(**(vars(shape) | small))
    assert together(model, prompts(), 9, temperature=0) == [alone(model, p, 9) for p in prompts()]


@pytest.mark.parametrize("order", [(5, 1, 16, 23), (23, 5, 1, 16), (1, 23), (16,)])
def test_neighbours_change_nothing(order):
    """The same prompt and seed in other company, or in another place, gives the same ids."""
    model = attentive("pre", **SMALL, **SPARSE)
    texts = dict(zip(LENGTHS[:4], prompts(), strict=False))
    rows = together(model, [texts[n] for n in order], 30, [n for n in order])
    for n, row in zip(order, rows, strict=True):
        assert row == alone(model, texts[n], 30, n)


def test_rows_that_end_leave_the_others_as_they_are():
    """Every row is stopped after another number of tokens."""
    model, told = attentive("post", **SMALL, **SPARSE), {row: 0 for row in range(len(LENGTHS))}
    seeds = list(range(len(LENGTHS)))
    whole = together(model, prompts(), 20, seeds)

    def over(row):
        told[row] += 1
        return told[row] > row  # row 0 after one token, row 1 after two

    found = together(model, prompts(), 20, seeds, over=over)
    assert found == [row[: i + 1] for i, row in enumerate(whole)]


def test_a_penalty_remembers_each_row_s_own_text():
    model = attentive("pre", **SMALL, **SPARSE)
    how = {"temperature": 0.9, "repetition_penalty": 1.7}
    found = together(model, prompts(), 20, list(range(5)), **how)
    one = [together(model, [p], 20, [i], **how)[0] for i, p in enumerate(prompts())]
    assert found == one
    assert found != together(model, prompts(), 20, list(range(5)), temperature=0.9)


def test_a_model_with_a_hook_is_asked_itself():
    """Not the fast path: the padding has to be known to the network, too."""
    model = attentive("pre", pattern=("dense", "fixed"), **SMALL, **SPARSE)
    model.h[1].mlp.register_forward_hook(lambda module, inputs, output: 2 * output)
    assert not is_plain(model)
    assert together(model, prompts(), 9, temperature=0) == [alone(model, p, 9) for p in prompts()]


# --- text -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def letters():
    """One token per byte, and the end of text."""
    return Tokenizer.train("ab", 257)


@pytest.fixture(scope="module")
def model():
    return attentive("pre", vocab_size=257, n_ctx=40, n_layer=2, n_head=2, d_model=16)


TEXTS = ["Once", "The old fox said nothing", "a", "Once", "你好, fox"]


@pytest.mark.parametrize("settings", [{"temperature": 0}, {"top_p": 0.9, "slide": True}, {}])
@pytest.mark.parametrize("stop", ["<|endoftext|>", ("e", "qu"), None])
@pytest.mark.parametrize("batch_size", [2, 32])
def test_a_list_of_prompts_gives_the_text_of_each(letters, model, settings, stop, batch_size):
    """Prompt i is drawn with seed + i; pieces, stops and characters of several bytes included."""
    settings = {"stop": stop, "max_new_tokens": 60} | settings
    found = generate(model, letters, TEXTS, seed=3, batch_size=batch_size, **settings)
    one = [generate(model, letters, text, seed=3 + i, **settings) for i, text in enumerate(TEXTS)]
    assert found == one
    assert "temperature" in settings or found[0] != found[3]
    given = generate(model, letters, tuple(TEXTS), seed=[3, 4, 5, 3, 7], **settings)
    assert given[:3] + given[4:] == one[:3] + one[4:] and given[3] == one[0]


def test_pieces_come_as_they_are_known(letters, model):
    """Never empty, never behind the end; joined they are the texts. Rows take turns."""
    pieces = list(stream_many(model, letters, TEXTS, seed=1, stop="e", max_new_tokens=30))
    assert all(piece for _, piece in pieces)
    joined = ["".join(piece for i, piece in pieces if i == row) for row in range(len(TEXTS))]
    assert joined == generate(model, letters, TEXTS, seed=1, stop="e", max_new_tokens=30)
    assert [i for i, _ in pieces] != sorted(i for i, _ in pieces)


def test_no_prompts_give_no_texts(letters, model):
    assert generate(model, letters, []) == []
    assert list(row_ids(model, [], seeds=[])) == []
    with pytest.raises(ValueError, match="each of prompts must have at least one token"):
        row_ids(model, [[1], []], seeds=[1, 2])


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_comes_back(letters, training):
    model = attentive("post", vocab_size=257, n_ctx=40).train(training)
    pieces = stream_many(model, letters, TEXTS[:2], seed=1, stop=None)
    next(pieces)
    assert not model.training
    pieces.close()
    assert model.training == training


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": ["a", ""]}, r"prompts\[1\]='' has no tokens"),
        ({"prompt": ["a", 5]}, r"prompts\[1\]=5 must be a str"),
        ({"prompt": ["a", "b" * 40]}, r"prompts\[1\] has 40 tokens; it must have fewer than n_ctx"),
        ({"prompt": {"a"}}, r"prompt=\{'a'\} must be a str"),
        ({"batch_size": 0}, "batch_size=0 must be at least 1"),
        ({"seed": [1]}, "seed has 1 numbers for 2 prompts"),
        ({"seed": [1, 2.5]}, "seed=2.5 must be an int"),
        ({"seed": "1"}, "seed='1' must be an int"),
        ({"seed": 2**64 - 1}, r"seed=18446744073709551616 must be in \[-2\*\*63, 2\*\*64\)"),
        ({"max_new_tokens": 0}, "max_new_tokens=0 must be at least 1"),
        ({"top_k": 0}, "top_k=0 must be at least 1"),
        ({"stop": ""}, "stop='' would end every text"),
    ],
)
def test_what_cannot_be_done_is_named_before_anything_is_written(letters, model, change, message):
    with pytest.raises((ValueError, TypeError), match=message):
        generate(model, letters, **({"prompt": ["a", "b"]} | change))
