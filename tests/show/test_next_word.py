"""The next-word explorer: its table against counts by hand and the package's, its GPT's words."""

import math
from collections import Counter, defaultdict

import engine_cases as cases
import numpy as np
import pytest
import torch
from small_models import attentive

from gptcore.scoring.ngrams import ngram_baselines
from gptcore.show import NextWord
from gptcore.show.explorers.next_word.next_word import look, table_says
from gptcore.tokenizer import Tokenizer

STORY = "One day <Tom> met a fox. Tom met a cat. "


@pytest.fixture(scope="module")
def parts():
    """A small model, and one token per byte."""
    model = attentive(vocab_size=257, n_ctx=64, n_layer=1, n_head=2, d_model=16)
    return model, Tokenizer.train("ab", 257)


def test_a_table_by_hand():
    """Text 0 1 0 2 0 1, looking back 1, V = 4, discount 3/4; of 0: 1 twice, 2 once.

    Alone, by different tokens before: 1 has {0}, 0 has {1, 2}, 2 has {0}: counts 2, 1, 1 of 4,
    three kinds. P(0) = (2 - .75) / 4 + .75 * 3 / 4 / 4, P(1) = P(2) = .25 / 4 + .75 * 3 / 4 / 4.
    After 0: 1 twice, 2 once: P(1) = 1.25 / 3 + .75 * 2 / 3 * P(1), P(3) = .5 * .75 * 3 / 4 / 4.
    """
    text = np.array([0, 1, 0, 2, 0, 1])
    rest = 0.75 * 3 / 4 / 4
    alone = [1.25 / 4 + rest, 0.25 / 4 + rest, 0.25 / 4 + rest, rest]
    expected = [alone[0] / 2, 1.25 / 3 + alone[1] / 2, 0.25 / 3 + alone[2] / 2, alone[3] / 2]
    np.testing.assert_allclose(table_says(text, [2, 0], 1, 4), expected, atol=1e-9)
    np.testing.assert_allclose(table_says(text, [3], 1, 4), alone, atol=1e-9)  # 3 was never met


@pytest.mark.parametrize(("back", "name"), [(1, "bigram"), (2, "trigram")])
def test_tables_are_those_of_the_package(back, name):
    """Their mean loss over a text equals that of `ngram_baselines`, which sorts arrays instead."""
    draw = np.random.default_rng(0)
    train, test = draw.integers(12, size=400), draw.integers(12, size=60)
    p = [table_says(train, test[max(0, i - back) : i], back, 12)[test[i]] for i in range(1, 60)]
    true = ngram_baselines(train, test, 12)[name]
    assert -np.log(p).mean() == pytest.approx(true, abs=5e-3 if back == 2 else 1e-9)


def counted(tokens, n):
    """Tables as chapter 02 builds them: [length][context][next] -> count."""
    tables = [defaultdict(Counter) for _ in range(n)]
    ngrams = zip(*(tokens[i:] for i in range(n)), strict=False)
    for table in reversed(tables):
        seen = Counter(ngrams)
        for *context, token in seen:
            table[tuple(context)][token] = seen[(*context, token)]
        ngrams = (ngram[1:] for ngram in seen)
    return tables


def predicted(tables, context, token, V, d=0.75):
    """P(token | context), as chapter 02 has it."""
    shorter = predicted(tables, context[1:], token, V) if context else 1 / V
    after = tables[len(context)].get(context)
    if not after:
        return shorter
    return (max(after[token] - d, 0) + d * len(after) * shorter) / after.total()


@pytest.mark.parametrize("back", [1, 2, 3, 4])
def test_tables_are_those_of_the_chapter(back):
    """For contexts that were met, met in part, and too short."""
    tokens = np.random.default_rng(1).integers(6, size=200).tolist()
    tables = counted(tokens, back + 1)
    for context in (tokens[50 : 50 + back], [5] * back, tokens[:1], []):
        ours = table_says(np.array(tokens), context, back, 6)
        short = tuple(context[-back:])
        theirs = [predicted(tables, short, w, 6) for w in range(6)]
        np.testing.assert_allclose(ours, theirs, atol=1e-9)
        assert math.isclose(ours.sum(), 1)


def test_the_gpt_says_what_it_says(parts):
    """The likeliest tokens after the text, with their probabilities."""
    model, tokenizer = parts
    found = look(model, tokenizer, STORY, max_tokens=20, top=5)
    ids = tokenizer.encode(STORY)
    with torch.no_grad():
        p = model(torch.tensor([ids[:20]]))[0, -1].softmax(-1)
    assert [i for i, _ in found["gpt"]] == p.topk(5).indices.tolist()
    assert [x for _, x in found["gpt"]] == pytest.approx(p.topk(5).values.tolist(), abs=1e-4)
    assert found["ids"] == ids[:20] and found["of"] == len(ids) and len(found["tokens"]) == 20


def test_python_answers_a_typed_text(parts):
    model, tokenizer = parts
    made = NextWord(model, tokenizer, [STORY], tokenizer.encode(STORY * 3))
    made.asked = "met a"
    assert made.own["asked"] == "met a" and made.own["ids"] == tokenizer.encode("met a")
    made.asked = ""
    assert "no tokens" in made.own["error"]


def test_the_page_and_the_engine_say_the_same(parts):
    """`next_word` of the engine, in half precision, and `tableSays`, for three texts."""
    model, tokenizer = cases.small("pre", cases.BYTE), cases.BYTE
    asks = [["look", "next_word", text, {"room": 30, "top": 4}] for text in cases.TEXTS[:3]]
    for text, found in zip(cases.TEXTS, cases.asked(model, tokenizer, *asks), strict=False):
        true = look(model, tokenizer, text, max_tokens=30, top=4)
        assert found["ids"] == true["ids"] and found["tokens"] == true["tokens"]
        ours, theirs = [x for _, x in found["gpt"]], [x for _, x in true["gpt"]]
        assert ours == pytest.approx(theirs, abs=1e-3)


def test_the_text_alternative_names_what_both_expect(parts):
    """In a text of one repeated pair, after a comes b by the table."""
    model, tokenizer = parts
    alt = NextWord(model, tokenizer, ["a"], tokenizer.encode("ab" * 50), back=1).alt
    assert "after 'a' the table 'b' (9" in alt and "back at 1 tokens" in alt


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"back": 5}, "back=5 must be between 1 and 4"),
        ({"top": 0}, "top=0 must be between 1 and 257"),
        ({"counted": [1, 2]}, "tokens that are counted=2 must be between 6"),
        ({"counted": [999] * 9}, "id that is counted=999 must be between 0 and 256"),
    ],
)
def test_what_the_page_cannot_show_is_refused(parts, changes, message):
    given = {"texts": ["a"], "counted": [1] * 9} | changes
    with pytest.raises(ValueError, match=message):
        NextWord(*parts, **given)
