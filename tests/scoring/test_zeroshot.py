"""Answers without training: likelihoods by hand, and questions whose right option is right."""

import pytest
import torch
from small_models import make

from gptcore.config import GPTConfig
from gptcore.labelled.short_tales import BEYOND, tales
from gptcore.model import GPT
from gptcore.scoring.zeroshot import HEURISTICS, Question, accuracy, log_likelihoods, zero_shot
from gptcore.tales.corpus import split, tale
from gptcore.tokenizer import Tokenizer

BYTES = Tokenizer.train("", 257)
PAIRS = [([5, 9, 2], [7]), ([1], [4, 4, 8, 250, 3]), ([6, 7], [8, 9]), ([30] * 5, [2, 11, 90])]


def by_hand(model, context, rest):
    """One row through the network, and the log-probability of each token of the continuation."""
    row = torch.tensor([*context, *rest])
    with torch.no_grad():
        log_p = model(row[None, :-1])[0].log_softmax(-1)
    own = log_p[torch.arange(len(row) - 1), row[1:]]
    return own[-len(rest) :]


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_likelihoods_are_those_of_one_row_at_a_time(norm, batch_size):
    model = make(norm).train()
    means = log_likelihoods(model, PAIRS, batch_size=batch_size)
    sums = log_likelihoods(model, PAIRS, mean=False, batch_size=batch_size)
    assert model.training
    model.eval()
    for (context, rest), mean, total in zip(PAIRS, means, sums, strict=True):
        own = by_hand(model, context, rest)
        assert mean == pytest.approx(own.mean().item(), abs=1e-4)
        assert total == pytest.approx(own.sum().item(), abs=1e-4)


def test_nothing_to_answer_is_refused():
    with pytest.raises(ValueError, match="questions is empty"):
        accuracy(make(), BYTES, [])


def expecting(letter):
    """A network that gives one byte after anything, and the others alike."""
    torch.manual_seed(0)
    shape = GPTConfig(vocab_size=257, n_ctx=32, n_layer=1, n_head=1, d_model=8, norm="pre")
    model = GPT(shape).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
        (token,) = BYTES.encode(letter)
        model.ln_f.bias.fill_(1)
        model.wte.weight[token] = 1
    return model


def test_the_likeliest_option_per_token_is_the_answer():
    """Four letters of which three are expected cost more in sum than one that is not, yet less
    per token; of equal options the first counts."""
    model, question = expecting("a"), Question("x", ("b", "aaab"), 1)
    assert accuracy(model, BYTES, [question]) == 1
    assert accuracy(model, BYTES, [question._replace(answer=0)]) == 0
    assert accuracy(model, BYTES, [question, question._replace(answer=0)]) == 0.5
    equal = Question("x", ("b", "c"), 0)
    assert accuracy(model, BYTES, [equal]) == 1
    assert accuracy(model, BYTES, [equal._replace(options=("c", "b"), answer=1)]) == 0


@pytest.mark.parametrize("name", HEURISTICS)
def test_questions_are_the_same_for_everybody_and_fair(name):
    heuristic, n_options = HEURISTICS[name], round(1 / HEURISTICS[name].chance)
    questions = list(heuristic.questions(0, 40))
    assert questions == list(heuristic.questions(0, 40)) and len(questions) == 40
    assert questions[:5] != list(heuristic.questions(1, 5))
    assert {question.answer for question in questions} == set(range(n_options))
    assert all(len(set(question.options)) == n_options for question in questions)


@pytest.mark.parametrize("name", ["grammar", "pronoun"])
def test_only_the_right_option_continues_a_held_out_tale(name):
    texts = [tale(0, index).text for index in split("test")[BEYOND : BEYOND + 150]]
    for context, options, answer in HEURISTICS[name].questions(0, 25):
        told = [option for option in options if any(context + option in t for t in texts)]
        assert told == [options[answer]]


def test_endings_are_those_of_the_task():
    rows = tales("endings", n_train=0, n_valid=0, n_test=8).test
    for row, question in zip(rows, HEURISTICS["endings"].questions(0, 8), strict=True):
        right = row["choices"][row["label"]]
        assert (question.context, question.options[question.answer]) == (row["text"], " " + right)


def test_what_the_options_differ_in():
    for _, options, answer in HEURISTICS["grammar"].questions(0, 25):
        right, wrong = options[answer].split(), options[1 - answer].split()
        at = next(i for i, (a, b) in enumerate(zip(right, wrong, strict=True)) if a != b)
        assert wrong[at : at + 2] == right[at : at + 2][::-1]
        assert right[:at] + right[at + 2 :] == wrong[:at] + wrong[at + 2 :]
    assert all(q.options == (" he", " she") for q in HEURISTICS["pronoun"].questions(0, 9))


def test_every_heuristic_is_asked_as_many_questions_as_wanted():
    model = make(vocab_size=257, n_ctx=256)
    asked = {name: list(h.questions(3, 6)) for name, h in HEURISTICS.items()}
    assert [len(questions) for questions in asked.values()] == [6, 6, 6]
    expected = {name: accuracy(model, BYTES, questions) for name, questions in asked.items()}
    assert zero_shot(model, BYTES, n=6, seed=3) == expected
    assert len(set(expected.values())) > 1
