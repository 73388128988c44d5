"""Likelihoods of continuations: by hand, by one row at a time, and where contexts are cut."""

import math

import pytest
import torch
from bigrams import bigram, letters
from small_models import make

from gptcore.scoring.continuations import (
    NORMS,
    Likelihood,
    encoded,
    likelihoods,
    normalised,
    start_of_text,
    text_likelihoods,
    windows,
)
from gptcore.tokenizer import Tokenizer

# a, b, space, end of text
TABLE = [
    [0.5, 0.25, 0.125, 0.125],
    [0.25, 0.25, 0.25, 0.25],
    [0.125, 0.5, 0.25, 0.125],
    [0.7, 0.1, 0.1, 0.1],
]
AB = letters("ab ")


def test_the_bigram_model_is_its_table():
    p = bigram(TABLE)(torch.tensor([[0, 1, 2, 3]])).softmax(-1)[0]
    assert torch.allclose(p, torch.tensor(TABLE), atol=1e-5)


def test_a_worked_example():
    """After a: p(a) p(b|a) = 1/2 · 1/4 = 1/8, p(" ") p(b|" ") = 1/8 · 1/2 = 1/16; after the end of
    text "ab" has 0.7 · 1/4 = 0.175. Greedy is a after a (1/2), never b after a; after a space b."""
    model = bigram(TABLE)
    found = text_likelihoods(model, AB, [("a", "ab"), ("a", " b"), ("", "ab"), ("ba", "a")])
    assert [round(math.exp(one.log_prob), 5) for one in found] == [0.125, 0.0625, 0.175, 0.5]
    assert [one.n_tokens for one in found] == [2, 2, 2, 1]
    assert [one.greedy for one in found] == [False, False, False, True]
    assert [one.n_cut for one in found] == [0, 0, 0, 0]
    (after_space,) = text_likelihoods(model, AB, [("a ", "b")])
    assert math.exp(after_space.log_prob) == pytest.approx(1 / 16, abs=1e-5)  # the space counts


def test_four_normalisations_by_hand():
    """ln of 1/8 over 2 tokens, over 3 characters, and against 0.175 without a context."""
    found, alone = Likelihood(math.log(1 / 8), 2, False, 0), Likelihood(math.log(0.175), 2, True, 0)
    by_hand = [-2.07944, -1.03972, -0.69315, -0.33647]
    values = [normalised(norm, found, 3, alone) for norm in NORMS]
    assert values == pytest.approx(by_hand, abs=1e-5)
    assert NORMS == ("none", "token", "character", "unconditional")
    with pytest.raises(ValueError, match="norm='byte' must be one of none, token"):
        normalised("byte", found, 3)
    with pytest.raises(ValueError, match="n_characters=0"):
        normalised("character", found, 0)
    with pytest.raises(ValueError, match="needs the option's probability"):
        normalised("unconditional", found, 3)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_neither_padding_nor_the_batch_changes_a_result(norm):
    """The same pairs one by one and beside others of every length, against a plain forward pass."""
    model = make(norm, vocab_size=300).train()
    generator = torch.Generator().manual_seed(2)
    pairs = []
    for n, m in ((1, 1), (3, 9), (15, 1), (1, 16), (8, 8), (2, 1), (10, 7)):
        drawn = torch.randint(300, (n + m,), generator=generator).tolist()
        pairs.append((drawn[:n], drawn[n:]))
    alone = [likelihoods(model, [pair])[0] for pair in pairs]
    assert model.training
    model.eval()
    for batch_size in (2, 3, 16):
        together = likelihoods(model, pairs, batch_size=batch_size)
        for (context, rest), one, other in zip(pairs, alone, together, strict=True):
            row = torch.tensor([*context, *rest])
            with torch.no_grad():
                log_p = model(row[None, :-1])[0].log_softmax(-1)
            own = log_p[torch.arange(len(row) - 1), row[1:]][-len(rest) :]
            best = bool((log_p.argmax(-1) == row[1:])[-len(rest) :].all())
            for found in (one, other):
                assert found.log_prob == pytest.approx(own.sum().item(), abs=1e-4)
                assert (found.n_tokens, found.greedy, found.n_cut) == (len(rest), best, 0)


def test_logits_are_computed_in_pieces(monkeypatch):
    model, pairs = make(), [([1, 2], [3, 4, 5, 6, 7]), ([9], [8] * 6), ([4] * 3, [2])]
    expected = likelihoods(model, pairs)
    monkeypatch.setattr("gptcore.scoring.continuations.NUMBERS_AT_ONCE", 1)  # one at a time
    for one, other in zip(likelihoods(model, pairs), expected, strict=True):
        assert one.log_prob == pytest.approx(other.log_prob, abs=1e-5)
        assert one[1:] == other[1:]


def test_the_end_of_a_long_context_is_kept_and_what_is_cut_is_counted():
    """n_ctx tokens are read and one more is predicted: of 40 and 3, the last 14 of the context."""
    model = make()
    context, rest = list(range(1, 41)), [7, 8, 9]
    (found,) = likelihoods(model, [(context, rest)])
    (kept,) = likelihoods(model, [(context[-14:], rest)])
    assert found.n_cut == 26 and kept.n_cut == 0
    assert found.log_prob == pytest.approx(kept.log_prob, abs=1e-6)
    (fewer,) = likelihoods(model, [(context[-13:], rest)])
    assert abs(fewer.log_prob - kept.log_prob) > 1e-3  # the fourteenth matters
    (longest,) = likelihoods(model, [([1, 2], [5] * 16)])
    assert (longest.n_tokens, longest.n_cut) == (16, 1)


def test_what_cannot_be_scored_is_refused():
    model = make()
    for pair in (([], [1]), ([1], [])):
        with pytest.raises(ValueError, match="at least 1"):
            likelihoods(model, [pair])
    with pytest.raises(ValueError, match="17 tokens is longer than n_ctx=16"):
        likelihoods(model, [([1], [2] * 17)])
    with pytest.raises(ValueError, match="batch_size=0"):
        likelihoods(model, [([1], [2])], batch_size=0)
    assert likelihoods(model, []) == []


# ------------------------------------------------------------------ where texts are cut

MERGED = Tokenizer.train(" the cat the cat sat sat cats", 275)
"""Has " the", " cat", " sat" and pieces of them."""


def test_trailing_spaces_of_a_context_move_to_the_continuation():
    plain = encoded(MERGED, "see the", " cat")
    assert MERGED.decode(plain[1]) == " cat" and len(plain[1]) == 1
    assert encoded(MERGED, "see the ", "cat") == plain
    assert [MERGED.decode(ids) for ids in encoded(MERGED, "see the \n", " cat")] == [
        "see the",
        " \n cat",
    ]


def test_the_joined_text_is_what_is_tokenized():
    """ " c" + "at" is one token of the joined text. It belongs to the continuation, whole."""
    assert len(MERGED.encode(" cat")) == 1 < len(MERGED.encode(" c")) + len(MERGED.encode("at"))
    context, rest = encoded(MERGED, "see the c", "at sat")
    assert (MERGED.decode(context), MERGED.decode(rest)) == ("see the", " cat sat")
    for pair in (("see the c", "at sat"), ("see", " the cat"), ("s", "at"), ("", " cat")):
        context, rest = encoded(MERGED, *pair)
        start = MERGED.eot if context[0] == MERGED.eot else None
        assert ([] if start is None else [start]) + MERGED.encode("".join(pair)) == context + rest


def test_an_empty_context_becomes_end_of_text():
    for empty in ("", " ", "\n\n"):
        context, rest = encoded(MERGED, empty, "the cat")
        assert context == [MERGED.eot] and MERGED.decode(rest) == empty + "the cat"
    written = encoded(MERGED, "", "<|endoftext|>the cat")
    assert written == encoded(MERGED, "", "the cat")  # not twice
    assert encoded(MERGED, "<|endoftext|>", "the cat") == written
    merged_whole = encoded(MERGED, " c", "at")  # nothing of the context is left
    assert merged_whole == ([MERGED.eot], MERGED.encode(" cat"))


def test_without_end_of_text_a_line_break_stands_for_it():
    for kind in ("byte", "word"):
        lines = Tokenizer.train("a b\nb a", 300, kind=kind, specials=())
        assert lines.encode("a\nb") == [
            lines.encode("a")[0],
            start_of_text(lines),
            *lines.encode("b"),
        ]
    bare = Tokenizer({"a": 0, "b": 1}, ())
    with pytest.raises(ValueError, match="begin the prompt with some text"):
        encoded(bare, "", "ab")
    with pytest.warns(UserWarning, match="left out"):
        with pytest.raises(ValueError, match="continuation='é' has no token"):
            encoded(bare, "a", "é")
    with pytest.raises(ValueError, match="continuation='' has no token"):
        encoded(bare, "a", "")
    with pytest.raises(TypeError, match="continuation=3"):
        encoded(bare, "a", 3)


# ------------------------------------------------------------------ texts of any length


@pytest.mark.parametrize("n", [1, 3, 4, 5, 8, 10, 12])
def test_windows_score_every_token_once_and_fill_the_last_one(n):
    """The example of lm-evaluation-harness: n_ctx 4 and ten tokens."""
    ids = list(range(n))
    pairs = windows(ids, -1, 4)
    assert [token for _, rest in pairs for token in rest] == ids
    whole = [-1, *ids]
    for context, rest in pairs:
        end = rest[-1] + 2
        assert [*context, *rest] == whole[max(0, end - 5) : end]
    if n == 10:
        assert pairs == [([-1], [0, 1, 2, 3]), ([3], [4, 5, 6, 7]), ([5, 6, 7], [8, 9])]


def test_a_long_text_by_hand():
    """<end> a b a a b: .7 · 1/4 · 1/4 · 1/2 · 1/4, in windows of two tokens as in one."""
    expected = math.log(0.7 / 4 / 4 / 2 / 4)
    for n_ctx in (2, 3, 5, 8):
        model = bigram(TABLE, n_ctx)
        pairs = windows(AB.encode("abaab"), AB.eot, n_ctx)
        total = sum(one.log_prob for one in likelihoods(model, pairs))
        assert total == pytest.approx(expected, abs=1e-4)
